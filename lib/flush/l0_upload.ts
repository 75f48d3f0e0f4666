/**
 * One frozen memtable to SSTs in the store: one for each segment it touches, or
 * one alone where the database has no segments.
 *
 * Owns: ids, in the order of dispatch, and how many SSTs are under way at once.
 * Does not own: what an SST holds (`l0_part.ts`), when the SSTs enter the manifest
 * (`l0_commit.ts`). Nothing outside this file counts on there being just one.
 *
 * @module
 */
import type { FrozenMemtable } from "../lsm/lsm_view.ts";
import type { L0Addition, L0Sst } from "../manifest/tree_edit.ts";
import { L0Part, type L0PartOptions } from "./l0_part.ts";
import type { TouchedTrees } from "./l0_room.ts";

/** What an upload works with. */
export interface L0UploadOptions extends L0PartOptions {
  /** SSTs of one memtable under way at the same time. */
  readonly l0FlushParallelism: number;
}

/** The upload of one memtable; begins when it is constructed. */
export class L0Upload {
  /** The memtable. */
  readonly frozen: FrozenMemtable;
  /** The trees it touches. */
  readonly touched: TouchedTrees;
  /** Resolves when everything is stored; rejects when no attempt can help. */
  readonly done: Promise<void>;
  readonly #lanes: number;
  readonly #parts: readonly L0Part[];
  #addition: L0Addition | undefined;

  /**
   * Constructs a new {@linkcode L0Upload} and begins it.
   *
   * @param frozen The memtable; kept until the upload has ended.
   * @param touched The trees it touches.
   * @param options What to work with.
   * @param signal Ends it.
   */
  constructor(
    frozen: FrozenMemtable,
    touched: TouchedTrees,
    options: L0UploadOptions,
    signal: AbortSignal,
  ) {
    this.frozen = frozen;
    this.touched = touched;
    this.#lanes = Math.min(touched.length, options.l0FlushParallelism);
    const { memtable } = frozen;
    const encodedBytes = Math.ceil(memtable.encodedBytes / touched.length);
    this.#parts = touched.map((prefix) => {
      // Taken now, in the order of dispatch: ids rise as L0 does.
      const id = options.ssts.nextId();
      const rows = { memtable, prefix, encodedBytes, id };
      return new L0Part(rows, options, signal);
    });
    this.done = this.#run();
  }

  /** What the manifest gains; `undefined` until everything is stored. */
  get addition(): L0Addition | undefined {
    return this.#addition;
  }

  /** Bytes stored. */
  get bytes(): number {
    return this.#parts.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async #run(): Promise<void> {
    const { memtable, replayAfterWalId, lastSeq, tracker } = this.frozen;
    memtable.acquire();
    try {
      const ssts = await this.#storeParts();
      this.#addition = {
        ssts: ssts.filter((sst) => sst !== undefined),
        replayAfterWalId,
        lastSeq,
        clockTick: memtable.maxCreateTs,
        tracker,
      };
    } finally {
      memtable.release();
    }
  }

  /** Some at the same time; whatever becomes of one, all have ended by the end. */
  async #storeParts(): Promise<(L0Sst | undefined)[]> {
    const parts = this.#parts;
    const stored: (L0Sst | undefined)[] = parts.map(() => undefined);
    let next = 0;
    const work = async () => {
      while (next < parts.length) {
        const at = next++;
        try {
          stored[at] = await parts[at]!.store();
        } catch (error) {
          next = parts.length;
          throw error;
        }
      }
    };
    const lanes = Array.from({ length: this.#lanes }, work);
    for (const lane of await Promise.allSettled(lanes)) {
      if (lane.status === "rejected") throw lane.reason;
    }
    return stored;
  }
}
