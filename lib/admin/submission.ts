/**
 * What a user asks of the compactor, as compactions of the file format.
 *
 * Owns: what may be left out of a request.
 * Does not own: whether a compaction may run (`compactor/spec_check.ts`), nor
 * running it: the compactor looks for what was submitted.
 *
 * @module
 */
import { type Bytes, toBytes } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import { type Ulid, UlidSource } from "../base/ids.ts";
import type { Runtime } from "../base/runtime.ts";
import {
  addCompaction,
  resolveDestinations,
} from "../compactor/compaction_state.ts";
import { fullCompaction } from "../compactor/manual_compactions.ts";
import { checkSubmitted } from "../compactor/spec_check.ts";
import type {
  Compaction,
  Compactions,
  CompactionSpec,
} from "../format/compactions.ts";
import type { Manifest } from "../format/manifest.ts";
import { nextRunId, prefixedTrees } from "../manifest/run_edit.ts";

/** A compaction that somebody asks for. */
export interface CompactionRequest {
  /**
   * `"tiered"` makes one run of the inputs; `"drain"` drops them with all that is
   * in them, which a segment alone can bear.
   *
   * @default {"tiered"}
   */
  kind?: "tiered" | "drain";
  /** Prefix of the segment; the tree outside segments unless given. */
  segment?: Bytes;
  /** View ids of SSTs of L0, newest first; none unless given. */
  l0ViewIds?: readonly Ulid[];
  /** Ids of runs, newest first; none unless given. */
  runIds?: readonly number[];
  /** Id of the output run; the lowest input's unless given, or above all runs. */
  destination?: number;
}

const ROOT = new Uint8Array(0);

/** Makes compactions of requests. */
export class Submission {
  readonly #runtime: Runtime;
  readonly #manifest: Manifest;
  readonly #ids: UlidSource;
  #submitted: Compaction[] = [];

  /**
   * Constructs a new {@linkcode Submission}.
   *
   * @param runtime Clock and randomness of ids.
   * @param manifest The tree; read after the compactor's state.
   */
  constructor(runtime: Runtime, manifest: Manifest) {
    this.#runtime = runtime;
    this.#manifest = manifest;
    this.#ids = new UlidSource(runtime);
  }

  /** What the last edit added. */
  get submitted(): Compaction[] {
    return this.#submitted;
  }

  /**
   * Adds what was asked for.
   *
   * @param state The compactor's state; may contain what an earlier attempt added.
   * @param request What was asked for.
   * @returns The new state.
   * @throws {DbError} Kind `"invalid"` if it must not run; says why.
   */
  one(state: Compactions, request: CompactionRequest): Compactions {
    return this.#add(state, () => [specOf(state, this.#manifest, request)]);
  }

  /**
   * Adds one compaction for each tree that has more than one source.
   *
   * @param state The compactor's state; may contain what an earlier attempt added.
   * @param segment One tree; all of them unless given.
   * @returns The new state; `state` itself where every tree is one run already.
   * @throws {DbError} Kind `"invalid"` if there is no such segment, or something else is made of its inputs meanwhile.
   */
  full(state: Compactions, segment: Bytes | undefined): Compactions {
    return this.#add(state, () => {
      const manifest = this.#manifest;
      const segments = segment === undefined
        ? prefixedTrees(manifest).map(({ segment }) => segment)
        : [toBytes(segment)];
      const specs: CompactionSpec[] = [];
      const reserved = destinationsOf(state);
      for (const segment of segments) {
        const spec = fullCompaction(manifest, segment, reserved);
        if (spec === undefined || isOneRun(spec)) continue;
        reserved.push(spec.destination!);
        specs.push(spec);
      }
      return specs;
    });
  }

  #add(state: Compactions, specs: () => CompactionSpec[]): Compactions {
    const isOwn = ({ id }: Compaction) =>
      this.#submitted.some((own) => own.id === id);
    if (state.compactions.some(isOwn)) return state;
    this.#submitted = [];
    let next = state;
    for (const spec of specs()) {
      const id = this.#ids.next();
      const compaction: Compaction = {
        id,
        spec,
        status: "submitted",
        outputs: [],
      };
      checkSubmitted({
        manifest: this.#manifest,
        compactions: resolveDestinations(next.compactions, this.#manifest),
      }, compaction);
      next = addCompaction(next, compaction);
      this.#submitted.push(compaction);
    }
    return next;
  }
}

function specOf(
  state: Compactions,
  manifest: Manifest,
  request: CompactionRequest,
): CompactionSpec {
  const { kind = "tiered", l0ViewIds = [], runIds = [], destination } = request;
  const segment = request.segment === undefined
    ? ROOT
    : toBytes(request.segment);
  const inputs = { segment, l0ViewIds: [...l0ViewIds], runIds: [...runIds] };
  if (kind === "drain") {
    if (destination === undefined) return { kind, ...inputs };
    throw new DbError("invalid", "a drain has no destination");
  }
  if (kind !== "tiered") {
    throw new DbError(
      "invalid",
      `a compaction's kind must be "tiered" or "drain", not ${
        JSON.stringify(kind)
      }`,
    );
  }
  return {
    kind,
    ...inputs,
    destination: destination ?? runIds.at(-1) ??
      nextRunId(manifest, destinationsOf(state)),
  };
}

function destinationsOf({ compactions }: Compactions): number[] {
  return compactions.flatMap(({ spec }) =>
    spec.kind === "tiered" && spec.destination !== undefined
      ? [spec.destination]
      : []
  );
}

function isOneRun({ l0ViewIds, runIds }: CompactionSpec): boolean {
  return l0ViewIds.length === 0 && runIds.length === 1;
}
