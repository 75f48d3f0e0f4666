/**
 * Collects WAL files: those whose rows are in L0, and fences.
 *
 * A file without rows is a fence, whether it has no bytes, as SlateDB 0.15 puts
 * it, or is an SST without rows, as 0.12 and we do. It keeps a writer out that
 * slept since before it was put; so fences are a task of their own.
 *
 * @module
 */
import { messageOf } from "../base/errors.ts";
import { parseWalId, walPrefix } from "../format/paths.ts";
import { isFence } from "../format/wal_file.ts";
import type { ObjectMeta, ObjectStore } from "../object_store/object_store.ts";
import { walReason } from "./live_set.ts";
import type { GcTask } from "./options.ts";
import type { Pass } from "./pass.ts";
import type { Candidate } from "./verdict.ts";

/** WAL files that nothing needs. */
export interface WalGarbage {
  /** Files with rows, ascending. */
  readonly data: readonly Candidate[];
  /** Files without, ascending. */
  readonly fences: readonly Candidate[];
}

/** Which WAL files are collected. */
export interface WalTasks {
  /** Files with rows; `undefined`: none. */
  readonly data: GcTask | undefined;
  /** Files without; `undefined`: none. */
  readonly fences: GcTask | undefined;
}

/** Larger files have rows; smaller ones must be read to tell. */
const MAX_FENCE_BYTES = 256;

/**
 * Finds WAL files that no manifest needs for replay.
 *
 * @param pass The pass.
 * @param kinds Tells files with rows from fences.
 * @param tasks Which to find, and how old they must be.
 * @returns What nothing needs.
 */
export async function collectWal(
  pass: Pass,
  kinds: WalKinds,
  tasks: WalTasks,
): Promise<WalGarbage> {
  const { walStore, root, signal, wantsAll } = pass;
  const live = await pass.live();
  const data: Candidate[] = [];
  const fences: Candidate[] = [];
  const options = signal === undefined ? {} : { signal };
  for await (const meta of walStore.list(walPrefix(root), options)) {
    const id = parseWalId(root, meta.name);
    if (id === undefined) continue;
    // Names are in the order of numbers: all that follow are needed.
    if (id >= live.latest.replayAfterWalId && !wantsAll) break;
    const { name, size: bytes } = meta;
    const needed = walReason(live, id);
    if (needed !== undefined) {
      const verdict = { resource: "wal", fate: "kept" } as const;
      pass.note({ ...verdict, name, bytes, reason: needed });
      continue;
    }
    const kind = await kinds.of(meta);
    const isFence = kind === "fence";
    const task = isFence ? tasks.fences : tasks.data;
    const reason = keptReason(pass, meta, kind, task);
    if (reason !== undefined) {
      const resource = isFence ? "wal_fence" : "wal";
      pass.note({ resource, name, bytes, fate: "kept", reason });
    } else if (isFence) {
      fences.push({ name, bytes, reason: "fence, and L0 has all before it" });
    } else data.push({ name, bytes, reason: "its rows are in L0" });
  }
  kinds.listed();
  return { data, fences };
}

/** What a WAL file is, or why that cannot be told. */
type WalKind = "data" | "fence" | { readonly problem: string };

/** Tells WAL files with rows from fences, reading each small one once. */
export class WalKinds {
  readonly #store: ObjectStore;
  #known = new Map<string, WalKind>();
  #seen = new Map<string, WalKind>();

  /**
   * Constructs a new {@linkcode WalKinds}.
   *
   * @param store Where the WAL is.
   */
  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /**
   * Tells what a file is; reads it if it is small and was not seen before.
   *
   * @param meta The file.
   * @returns What it is, or why that cannot be told.
   */
  async of(meta: ObjectMeta): Promise<WalKind> {
    const { name, size, etag } = meta;
    if (size === 0) return "fence";
    if (size > MAX_FENCE_BYTES) return "data";
    const key = `${name} ${etag}`;
    const kind = this.#known.get(key) ?? await this.#read(name);
    this.#seen.set(key, kind);
    return kind;
  }

  /** Forgets the files that were not asked about since the last call. */
  listed(): void {
    this.#known = this.#seen;
    this.#seen = new Map();
  }

  async #read(name: string): Promise<WalKind> {
    const found = await this.#store.get(name);
    try {
      // Gone since the listing: nothing is left to keep.
      if (found === undefined) return "data";
      return isFence(found.bytes) ? "fence" : "data";
    } catch (error) {
      return { problem: messageOf(error) };
    }
  }
}

function keptReason(
  pass: Pass,
  { lastModified }: ObjectMeta,
  kind: WalKind,
  task: GcTask | undefined,
): string | undefined {
  if (typeof kind === "object") return `cannot be read: ${kind.problem}`;
  if (kind === "fence" && task?.dryRun !== false) {
    return task === undefined
      ? "fence: wal_fence_options are null"
      : "fence: wal_fence_options.dry_run is on";
  }
  if (task === undefined) return "wal_options are null";
  return pass.youngReason(lastModified, task);
}
