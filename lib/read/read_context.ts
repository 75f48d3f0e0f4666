/**
 * What every read of one database works with.
 *
 * @module
 */
import type { Kernel } from "../codec/kernel.ts";
import type { MergeOperator } from "../iter/merge_operator.ts";
import { ValueSlab } from "./value_slab.ts";

/** What a {@linkcode ReadContext} is made of. */
export interface ReadContextOptions {
  /** Where rows are. */
  readonly kernel: Kernel;
  /** Folds merge operands; without it they are an error. */
  readonly mergeOperator?: MergeOperator | undefined;
  /** Whether rows past their expiry are invisible. */
  readonly hideExpired: boolean;
  /** Loads of indexes and filters that run at the same time. */
  readonly maxFetchTasks?: number;
}

/** How many rows of the kernel's header a found row takes. */
const FOUND_BYTES = 64;

/** What every read of one database works with. */
export class ReadContext {
  /** Where rows are. */
  readonly kernel: Kernel;
  /** Folds merge operands. */
  readonly mergeOperator: MergeOperator | undefined;
  /** Whether rows past their expiry are invisible. */
  readonly hideExpired: boolean;
  /** Loads of indexes and filters that run at the same time. */
  readonly maxFetchTasks: number;
  /** Where values go that are handed out. */
  readonly slab: ValueSlab = new ValueSlab();
  /** Address of the row record header that a block's look-up fills in. */
  readonly found: number;

  /**
   * Constructs a new {@linkcode ReadContext}.
   *
   * @param options What it is made of.
   */
  constructor(options: ReadContextOptions) {
    this.kernel = options.kernel;
    this.mergeOperator = options.mergeOperator;
    this.hideExpired = options.hideExpired;
    this.maxFetchTasks = options.maxFetchTasks ?? 4;
    this.found = options.kernel.copyIn(new Uint8Array(FOUND_BYTES));
  }

  /** Gives back what the kernel holds for it. */
  dispose(): void {
    this.kernel.free(this.found);
  }
}
