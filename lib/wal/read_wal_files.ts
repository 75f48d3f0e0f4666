/**
 * WAL files in order, fetched ahead.
 *
 * @module
 */
import { walName } from "../format/paths.ts";
import type { ObjectStore } from "../object_store/object_store.ts";
import { gapError } from "./object_wal_fence.ts";
import { type WalDecoding, WalFile } from "./wal_file.ts";

/** Which WAL files to read. */
export interface ReadWalOptions extends WalDecoding {
  /** Where WAL files are. */
  readonly store: ObjectStore;
  /** The database's path. */
  readonly root: string;
  /** The first file. */
  readonly from: number;
  /** The last file; `undefined`: read up to the first number that is missing. */
  readonly to?: number | undefined;
  /** Ends the iteration with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Files on their way at the same time, at most. */
const MAX_FETCHES = 8;

/** Bytes on their way at the same time, judging by the files seen so far. */
const MAX_FETCH_BYTES = 32 * 1024 * 1024;

/**
 * Reads WAL files in order. The first one that is missing ends the log, quietly:
 * whether that is the end or a gap is for whoever gave `to` to tell.
 *
 * @param options Which files.
 * @returns The files, one by one.
 * @throws {DbError} Kind `"data"` if no end was given and a file is missing below
 * one that was met.
 */
export async function* readWalFiles(
  options: ReadWalOptions,
): AsyncGenerator<WalFile, void, void> {
  const end = new AbortController();
  const signals = [end.signal, options.signal ?? end.signal];
  try {
    yield* readAhead({ ...options, signal: AbortSignal.any(signals) });
  } finally {
    // Nobody looks at what is still on its way.
    end.abort();
  }
}

async function* readAhead(
  options: ReadWalOptions,
): AsyncGenerator<WalFile, void, void> {
  const { from, to = Infinity } = options;
  // Where the end is not known, every file beyond it costs a request in vain.
  let fetches = to === Infinity ? 1 : MAX_FETCHES;
  let largest = 1;
  const ahead: Promise<WalFile | undefined>[] = [];
  let next = from;
  for (;;) {
    while (ahead.length < fetches && next <= to) {
      const file = fetchFile(options, next++);
      // An earlier file may end the iteration before this one is looked at.
      file.catch(() => {});
      ahead.push(file);
    }
    const id = next - ahead.length;
    let file = await ahead.shift();
    const later = file === undefined && to === Infinity
      ? await lastOf(ahead)
      : undefined;
    if (later !== undefined) {
      // A live writer may have put both between the two answers.
      file = await fetchFile(options, id);
      if (file === undefined) throw gapError(id, later.id);
    }
    if (file === undefined) return;
    yield file;
    largest = Math.max(largest, file.bytes);
    const affordable = Math.max(1, Math.floor(MAX_FETCH_BYTES / largest));
    fetches = Math.min(2 * fetches, MAX_FETCHES, affordable);
  }
}

/** The last of the files that exist. */
async function lastOf(
  files: readonly Promise<WalFile | undefined>[],
): Promise<WalFile | undefined> {
  return (await Promise.all(files)).findLast((file) => file !== undefined);
}

async function fetchFile(
  options: ReadWalOptions,
  id: number,
): Promise<WalFile | undefined> {
  const { store, root, signal } = options;
  const object = await store.get(
    walName(root, id),
    signal === undefined ? {} : { signal },
  );
  return object && new WalFile(id, object, options);
}
