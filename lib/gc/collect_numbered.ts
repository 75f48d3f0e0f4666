/**
 * Collects manifests and the compactor's state files: numbered objects of which
 * only the latest counts, and those that checkpoints keep.
 *
 * @module
 */
import type { ObjectMeta } from "../object_store/object_store.ts";
import {
  compactionsPrefix,
  manifestPrefix,
  parseCompactionsId,
  parseManifestId,
} from "../format/paths.ts";
import { keeperOf } from "./live_set.ts";
import type { GcTask } from "./options.ts";
import type { Pass } from "./pass.ts";
import type { Candidate } from "./verdict.ts";

/** Numbered objects that nothing needs. */
export interface NumberedGarbage {
  /** The objects, ascending by number. */
  readonly candidates: readonly Candidate[];
  /** The greatest number among them; 0 where there is none. */
  readonly greatest: number;
  /** How many objects there are, needed or not. */
  readonly versions: number;
}

/**
 * Finds manifests that are neither the latest nor kept by a checkpoint.
 *
 * @param pass The pass.
 * @param task How old they must be.
 * @returns What nothing needs.
 */
export function collectManifests(
  pass: Pass,
  task: GcTask,
): Promise<NumberedGarbage> {
  const { root, picture: { latest } } = pass;
  const kept = new Set(latest.checkpoints.map(({ manifestId }) => manifestId));
  return collect(pass, task, {
    resource: "manifest",
    prefix: manifestPrefix(root),
    parse: (name) => parseManifestId(root, name),
    latest: latest.id,
    keeper: (id) => kept.has(id) ? `${keeperOf(latest, id)} keeps it` : "",
  });
}

/**
 * Finds the compactor's state files but the latest.
 *
 * @param pass The pass.
 * @param task How old they must be.
 * @returns What nothing needs.
 */
export function collectCompactions(
  pass: Pass,
  task: GcTask,
): Promise<NumberedGarbage> {
  const { root, picture } = pass;
  return collect(pass, task, {
    resource: "compactions",
    prefix: compactionsPrefix(root),
    parse: (name) => parseCompactionsId(root, name),
    latest: picture.compactions?.id ?? 0,
    keeper: () => "",
  });
}

interface Numbers {
  readonly resource: "manifest" | "compactions";
  readonly prefix: string;
  readonly parse: (name: string) => number | undefined;
  readonly latest: number;
  /** Why a number is kept besides; empty where it is not. */
  readonly keeper: (id: number) => string;
}

async function collect(
  pass: Pass,
  task: GcTask,
  numbers: Numbers,
): Promise<NumberedGarbage> {
  const candidates: Candidate[] = [];
  let greatest = 0;
  let versions = 0;
  const { store, signal } = pass;
  const options = signal === undefined ? {} : { signal };
  for await (const meta of store.list(numbers.prefix, options)) {
    const id = numbers.parse(meta.name);
    if (id === undefined) continue;
    versions++;
    const reason = keptReason(pass, task, numbers, id, meta);
    const { name, size: bytes } = meta;
    if (reason !== undefined) {
      const { resource } = numbers;
      pass.note({ resource, name, bytes, fate: "kept", reason });
      continue;
    }
    greatest = Math.max(greatest, id);
    candidates.push({ name, bytes, reason: "there is a newer one" });
  }
  return { candidates, greatest, versions };
}

function keptReason(
  pass: Pass,
  task: GcTask,
  numbers: Numbers,
  id: number,
  { lastModified }: ObjectMeta,
): string | undefined {
  if (id === numbers.latest) return "the latest";
  if (id > numbers.latest) return "newer than this pass";
  const keeper = numbers.keeper(id);
  return keeper !== "" ? keeper : pass.youngReason(lastModified, task);
}
