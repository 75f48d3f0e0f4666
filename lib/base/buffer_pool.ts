/**
 * Large buffers used again.
 *
 * A fresh one costs a page fault every 4 KiB, and a runtime may wait long before
 * it returns the old ones.
 *
 * @module
 */

/** Keeps a few buffers that nobody uses at present. */
export class BufferPool {
  readonly #maxBuffers: number;
  readonly #maxBytes: number;
  readonly #free: Uint8Array<ArrayBuffer>[] = [];

  /**
   * Constructs a new {@linkcode BufferPool}, empty.
   *
   * @param maxBuffers How many it keeps.
   * @param maxBytes How long a buffer may be to be kept.
   */
  constructor(maxBuffers: number, maxBytes: number) {
    this.#maxBuffers = maxBuffers;
    this.#maxBytes = maxBytes;
  }

  /**
   * Takes a buffer; its content is undefined.
   *
   * @param bytes How long it must be at least.
   * @returns A whole buffer, used or fresh.
   */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    const at = this.#free.findIndex(({ length }) => length >= bytes);
    if (at < 0) return new Uint8Array(bytes);
    return this.#free.splice(at, 1)[0]!;
  }

  /**
   * Gives a buffer back; nobody may use it any more.
   *
   * @param buffer A whole buffer, from here or elsewhere.
   */
  give(buffer: Uint8Array<ArrayBuffer>): void {
    if (buffer.length === 0 || buffer.length > this.#maxBytes) return;
    if (this.#free.length >= this.#maxBuffers) this.#free.shift();
    this.#free.push(buffer);
  }
}
