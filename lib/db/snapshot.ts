/**
 * A state held on to for reading.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import type { KeyRange } from "../base/key_range.ts";
import type { Entry } from "../base/row.ts";
import type { SnapshotToken } from "../lsm/snapshots.ts";
import type { EntrySource } from "../read/entry_source.ts";
import type { Engine } from "./engine.ts";
import type { ReadOptions, ScanOptions } from "./read_options.ts";
import { ReadPoint, Reads } from "./reads.ts";
import type { Scan } from "./scan.ts";

/** A snapshot that nobody closed would keep old versions for ever. */
const FORGOTTEN = new FinalizationRegistry<() => void>((release) => release());

/**
 * The database as it was when the snapshot was taken: later writes do not show,
 * and rows that expire later do not vanish. Close it when done; while it lives,
 * flush and compaction keep the versions it sees.
 */
export class Snapshot implements Disposable {
  /** The last sequence number it sees. */
  readonly seq: bigint;
  readonly #engine: Engine;
  readonly #token: SnapshotToken;
  readonly #reads: Reads;
  #closed = false;

  /**
   * Takes a snapshot; see `Db.snapshot`.
   *
   * @internal
   * @param engine The database.
   */
  constructor(engine: Engine) {
    const { snapshots } = engine.state;
    this.#engine = engine;
    this.seq = engine.committer.committedSeq;
    const nowMs = engine.clock.nowMs();
    this.#token = snapshots.register(this.seq, nowMs);
    const { seq } = this;
    this.#reads = new Reads({
      context: engine.readContext,
      guard: () => this.#guard(),
      pin: (remote, cacheBlocks) => {
        const { view, seqMax } = engine.pin(remote, cacheBlocks);
        const oldest = seq < seqMax ? seq : seqMax;
        return new ReadPoint(view, oldest, { nowMs: () => nowMs }, cacheBlocks);
      },
    });
    const token = this.#token;
    FORGOTTEN.register(this, () => snapshots.release(token), this);
  }

  /**
   * Reads a value; see `Db.get`.
   *
   * @param key The key.
   * @param options Which rows to see, of those the snapshot sees.
   * @returns The value, or `undefined`.
   */
  get(key: Bytes, options?: ReadOptions): Promise<Uint8Array | undefined> {
    return this.#reads.get(key, options);
  }

  /**
   * Reads a value with its sequence number and timestamps; see `Db.getEntry`.
   *
   * @param key The key.
   * @param options Which rows to see, of those the snapshot sees.
   * @returns The entry, or `undefined`.
   */
  getEntry(key: Bytes, options?: ReadOptions): Promise<Entry | undefined> {
    return this.#reads.getEntry(key, options);
  }

  /**
   * Reads several values; see `Db.getMany`.
   *
   * @param keys The keys, in any order.
   * @param options Which rows to see, of those the snapshot sees.
   * @returns For each key its value, or `undefined`.
   */
  getMany(
    keys: readonly Bytes[],
    options?: ReadOptions,
  ): Promise<(Uint8Array | undefined)[]> {
    return this.#reads.getMany(keys, options);
  }

  /**
   * Reads a range; see `Db.scan`.
   *
   * @param options Range, direction, limit, fetching.
   * @returns An async iterable of entries.
   */
  scan(options: ScanOptions = {}): Scan {
    return this.#reads.scan(options);
  }

  /**
   * Reads a range with something laid over it.
   *
   * @internal
   * @param options Range, direction, limit, fetching.
   * @param overlay Lays it over the stored entries.
   * @returns An async iterable of entries.
   */
  scanWith(
    options: ScanOptions,
    overlay: (source: EntrySource, range: KeyRange) => EntrySource,
  ): Scan {
    return this.#reads.scan(options, overlay);
  }

  /** Lets go of the state; a second time is fine. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    FORGOTTEN.unregister(this);
    this.#engine.state.snapshots.release(this.#token);
  }

  /** See {@linkcode close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #guard(): void {
    this.#engine.lifecycle.guard();
    if (!this.#closed) return;
    throw new DbError("closed", "snapshot is closed", { reason: "clean" });
  }
}
