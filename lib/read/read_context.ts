/**
 * What every read of one database works with.
 *
 * @module
 */
import { type Counter, noRecorder } from "../base/metrics.ts";
import type { Kernel } from "../codec/kernel.ts";
import type { MergeOperator } from "../iter/merge_operator.ts";
import type { CachedBlock } from "../cache/cached_block.ts";
import { EntryBatches } from "./entry_batch.ts";
import { KeyProbe } from "./key_probe.ts";
import { ValueSlab } from "./value_slab.ts";

/** What a {@linkcode ReadContext} is made of. */
export interface ReadContextOptions {
  /** Where rows are. */
  readonly kernel: Kernel;
  /** Folds merge operands; without it they are an error. */
  readonly mergeOperator?: MergeOperator | undefined;
  /** Whether rows past their expiry are invisible. */
  readonly hideExpired: boolean;
  /**
   * Loads of indexes and filters that a get has under way at the same time.
   *
   * @default {4}
   */
  readonly maxFetchTasks?: number;
  /** Count what is asked for; nothing unless given. */
  readonly requests?: ReadRequests | undefined;
}

/** What is asked for. */
export interface ReadRequests {
  /** Keys looked up. */
  readonly gets: Counter;
  /** Ranges read. */
  readonly scans: Counter;
}

const NO_COUNTER = noRecorder.counter("", "");
const NO_REQUESTS: ReadRequests = { gets: NO_COUNTER, scans: NO_COUNTER };

/** Bytes of a row record's header, rounded up. */
const FOUND_BYTES = 64;

/** The area of each kernel; look-ups are synchronous, so that one is enough. */
const FOUND_AREAS = new WeakMap<Kernel, number>();

/** What every read of one database works with. */
export class ReadContext {
  /** Where rows are. */
  readonly kernel: Kernel;
  /** Folds merge operands. */
  readonly mergeOperator: MergeOperator | undefined;
  /** Whether rows past their expiry are invisible. */
  readonly hideExpired: boolean;
  /** Loads of indexes and filters under way at the same time. */
  readonly maxFetchTasks: number;
  /** Count what is asked for. */
  readonly requests: ReadRequests;
  /** Where values go that are handed out. */
  readonly slab: ValueSlab = new ValueSlab();
  /** Where rows go that scans hand out. */
  readonly batches: EntryBatches = new EntryBatches();
  /** Address of the row record header that a look-up in a block fills in. */
  readonly found: number;
  /** The key that is being looked for. */
  readonly probe: KeyProbe;
  /** The scans that hold a view. */
  readonly scans: Set<Disposable> = new Set();
  #held: CachedBlock | undefined;

  /**
   * Constructs a new {@linkcode ReadContext}.
   *
   * @param options What it is made of.
   */
  constructor(options: ReadContextOptions) {
    const { kernel, mergeOperator, hideExpired, maxFetchTasks = 4 } = options;
    this.kernel = kernel;
    this.mergeOperator = mergeOperator;
    this.hideExpired = hideExpired;
    this.maxFetchTasks = maxFetchTasks;
    this.requests = options.requests ?? NO_REQUESTS;
    this.found = foundAreaOf(kernel);
    this.probe = new KeyProbe(kernel);
  }

  /**
   * Keeps a block for as long as a found row in it is needed, instead of the
   * block held before.
   *
   * @param block The block, pinned for the caller.
   */
  hold(block: CachedBlock): void {
    this.#held?.unpin();
    this.#held = block;
  }

  /** Ends all scans, whoever holds them: the database closes. */
  endScans(): void {
    for (const scan of this.scans) scan[Symbol.dispose]();
  }

  /** Gives back the block that is held, if there is one. */
  letGo(): undefined {
    this.#held?.unpin();
    this.#held = undefined;
  }
}

function foundAreaOf(kernel: Kernel): number {
  let area = FOUND_AREAS.get(kernel);
  if (area === undefined) {
    area = kernel.copyIn(new Uint8Array(FOUND_BYTES));
    FOUND_AREAS.set(kernel, area);
  }
  return area;
}
