/**
 * Ids of output runs that files of version 1 do not say.
 *
 * @module
 */
import type { Ulid } from "../base/ids.ts";
import type { Compactions } from "../format/compactions.ts";
import type { Manifest } from "../format/manifest.ts";
import { resolveDestinations } from "./compaction_state.ts";
import { isActive } from "./scheduler.ts";

/** Remembers which compaction was given which id. */
export class RunIds {
  readonly #known = new Map<Ulid, number>();

  /**
   * Fills in what the file does not say; the same each time.
   *
   * @param state The state.
   * @param manifest The manifest; new ids lie above its.
   * @returns The state with a destination for every active compaction; `state` itself where it has them.
   */
  resolve(state: Compactions, manifest: Manifest): Compactions {
    const { compactions } = state;
    const resolved = resolveDestinations(compactions, manifest, this.#known);
    for (const compaction of resolved) {
      const { id, spec } = compaction;
      // Another process's next change of the file makes it forget the id.
      if (
        spec.kind === "tiered" && spec.runIds.length === 0 &&
        isActive(compaction)
      ) this.#known.set(id, spec.destination!);
    }
    const isSame = resolved.every((each, i) => each === compactions[i]);
    return isSame ? state : { ...state, compactions: resolved };
  }

  /**
   * Forgets a compaction that has ended.
   *
   * @param id The compaction.
   */
  forget(id: Ulid): void {
    this.#known.delete(id);
  }
}
