/**
 * One block in linear memory.
 *
 * @module
 */
import type { BlockQueue } from "./block_queue.ts";

/** Whoever looks blocks up: told when one is not to be found any more. */
export interface BlockOwner {
  /** Distinguishes owners; never used twice. */
  readonly serial: number;
  /**
   * Forgets a block: its memory is about to be freed or is no longer shared.
   *
   * @param index The block's place among the owner's blocks.
   */
  evicted(index: number): void;
}

/** The cache that a block was made by. */
interface BlockHome {
  /** Makes a block's directory: a pointer, or 0. */
  direct(block: CachedBlock): number;
  /** Frees a block. */
  release(block: CachedBlock): void;
}

const NOT_MADE = -1;
/** More uses than this are not told apart. */
const MAX_USES = 3;

/**
 * A block in linear memory. A cached one stays at least until the next block is
 * loaded; whoever needs it across an `await` or another load pins it. One that
 * is not cached lives as long as it is pinned.
 */
export class CachedBlock {
  /** Where it is. */
  readonly pointer: number;
  /** Its length. */
  readonly bytes: number;
  /** Who finds it; `undefined`: nobody, it is not cached. */
  owner: BlockOwner | undefined;
  /** Its place among the owner's blocks. */
  readonly index: number;
  /** The queue it waits in; `undefined`: it is not cached. */
  queue: BlockQueue | undefined;
  /** Neighbour in the queue. */
  older: CachedBlock | undefined;
  /** Neighbour in the queue. */
  newer: CachedBlock | undefined;
  #directory: number = NOT_MADE;
  #uses = 0;
  #pins = 0;
  readonly #home: BlockHome;

  /**
   * Constructs a new {@linkcode CachedBlock}, neither cached nor pinned.
   *
   * @param home What made it, and frees it.
   * @param pointer Where it is.
   * @param bytes Its length.
   * @param index Its place among the owner's blocks.
   */
  constructor(home: BlockHome, pointer: number, bytes: number, index: number) {
    this.#home = home;
    this.pointer = pointer;
    this.bytes = bytes;
    this.index = index;
    this.owner = undefined;
    this.queue = undefined;
    this.older = undefined;
    this.newer = undefined;
  }

  /** Whether somebody needs it where it is. */
  get pinned(): boolean {
    return this.#pins > 0;
  }

  /** Its directory, for the kernel's `block_get`; 0 where there is none. */
  get directory(): number {
    return this.#directory === NOT_MADE ? 0 : this.#directory;
  }

  /**
   * Notes that a get asked for it and found it here. Only then is a directory
   * worth its making: many a block is asked for once.
   *
   * @returns Its {@linkcode directory}, made by now.
   */
  revisit(): number {
    this.touch();
    if (this.#directory === NOT_MADE) this.#directory = this.#home.direct(this);
    return this.#directory;
  }

  /** Notes that it was asked for. */
  touch(): void {
    if (this.#uses < MAX_USES) this.#uses++;
  }

  /**
   * Takes one use away, as it is passed over by an eviction.
   *
   * @returns How many there were.
   */
  wane(): number {
    return this.#uses === 0 ? 0 : this.#uses--;
  }

  /** Forgets all uses. */
  settle(): void {
    this.#uses = 0;
  }

  /** Keeps it where it is until {@linkcode unpin}. */
  pin(): void {
    this.#pins++;
  }

  /** Takes one pin back; the last one frees a block that is not cached. */
  unpin(): void {
    if (--this.#pins === 0 && this.queue === undefined) {
      this.#home.release(this);
    }
  }
}
