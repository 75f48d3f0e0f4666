/**
 * Values on their way out of linear memory.
 *
 * @module
 */
import { copyOut } from "../base/bytes.ts";

const SLAB_BYTES = 64 * 1024;
/** Longer values get an array of their own. */
const MAX_SHARED_BYTES = 8 * 1024;
/** Up to here a loop beats the set-up of a bulk copy. */
const MAX_LOOP_BYTES = 16;

/**
 * Copies bytes out. Small ones are views on a slab that they share, since a fresh
 * array costs more than the rest of a read; the slab lives as long as one of them.
 */
export class ValueSlab {
  #slab: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #used = 0;
  /** Bun's arrays are cheaper than a view on a slab. */
  readonly #ownArrays = "Bun" in globalThis;

  /**
   * Copies a piece of memory.
   *
   * @param memory The memory.
   * @param start Where the piece begins.
   * @param bytes Its length.
   * @returns A copy that the caller owns.
   */
  copy(
    memory: Uint8Array<ArrayBuffer>,
    start: number,
    bytes: number,
  ): Uint8Array<ArrayBuffer> {
    if (this.#ownArrays || bytes > MAX_SHARED_BYTES) {
      return copyOut(memory, start, bytes);
    }
    let at = this.#used;
    if (at + bytes > this.#slab.length) {
      this.#slab = new Uint8Array(SLAB_BYTES);
      at = 0;
    }
    this.#used = at + bytes;
    const slab = this.#slab;
    if (bytes > MAX_LOOP_BYTES) {
      slab.set(new Uint8Array(memory.buffer, start, bytes), at);
    } else {
      for (let i = 0; i < bytes; i++) slab[at + i] = memory[start + i]!;
    }
    return new Uint8Array(slab.buffer, at, bytes);
  }
}
