/**
 * The bytes of an SST under construction.
 *
 * @module
 */
import type { BufferPool } from "../base/buffer_pool.ts";
import { crc32 } from "../codec/crc32.ts";
import type { Pause } from "../codec/long_compression.ts";
import { CHECKSUM_BYTES } from "../format/sst_layout.ts";

const MIN_BYTES = 4096;
/** Fresh memory is slow to touch: pieces of this size are used over and over. */
const PIECE_BYTES = 1024 * 1024;
/** What of a long section is copied and checked at a time. */
const STEP_BYTES = 256 * 1024;

/** What takes an SST's bytes as they come, such as a `BytePipe`. */
export interface ByteSink {
  /**
   * Takes the next bytes.
   *
   * @param piece The bytes, valid until the promise resolves.
   * @returns Resolves once they are done with.
   */
  write(piece: Uint8Array): Promise<void>;
}

/** One growing buffer of sections, each with its checksum. */
export class SstBody {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;
  readonly #sink: ByteSink | undefined;
  /** Bytes that went to the sink. */
  #drained = 0;
  /** The piece on its way to the sink. */
  #writing: { done: Promise<void>; bytes: Uint8Array<ArrayBuffer> } | undefined;

  /**
   * Constructs a new {@linkcode SstBody}.
   *
   * @param expectedBytes How long it will be, roughly: saves copies.
   * @param sink Takes the bytes as they come; all are kept unless given.
   * @param buffers Where the first buffer comes from; fresh unless given.
   */
  constructor(expectedBytes: number, sink?: ByteSink, buffers?: BufferPool) {
    const most = sink === undefined ? Infinity : 2 * PIECE_BYTES;
    const bytes = Math.max(MIN_BYTES, Math.min(expectedBytes, most));
    this.#bytes = buffers?.take(bytes) ?? new Uint8Array(bytes);
    this.#sink = sink;
  }

  /** Bytes so far. */
  get length(): number {
    return this.#drained + this.#length;
  }

  /**
   * Hands the sink what is there, if it is enough to be worth it.
   *
   * @param all Whether anything is enough.
   * @returns What to wait for before more is added, if anything.
   */
  drain(all = false): Promise<void> | undefined {
    const sink = this.#sink;
    if (sink === undefined) return undefined;
    if (this.#length < (all ? 1 : PIECE_BYTES)) {
      return all ? this.#writing?.done : undefined;
    }
    if (this.#writing !== undefined) return this.#drainNext(sink, all);
    const bytes = this.#bytes;
    this.#writing = { bytes, done: sink.write(this.#piece()) };
    this.#bytes = new Uint8Array(bytes.length);
    return all ? this.#writing.done : undefined;
  }

  /**
   * Appends a section and its checksum.
   *
   * @param stored The section, compressed and transformed; copied.
   * @returns Bytes of both.
   */
  addSection(stored: Uint8Array): number {
    const start = this.#length;
    const end = start + stored.length;
    this.#reserve(end + CHECKSUM_BYTES);
    const bytes = this.#bytes;
    bytes.set(stored, start);
    const crc = crc32(stored);
    bytes[end] = crc >>> 24;
    bytes[end + 1] = crc >>> 16;
    bytes[end + 2] = crc >>> 8;
    bytes[end + 3] = crc;
    this.#length = end + CHECKSUM_BYTES;
    return this.#length - start;
  }

  /**
   * The same of a section that may be long, in short steps; it is drained too.
   *
   * @param stored The section, compressed and transformed; copied.
   * @param pause Called after each step; what it returns is waited for.
   * @returns Bytes of both.
   */
  async addLongSection(
    stored: Uint8Array,
    pause: Pause,
  ): Promise<number> {
    let crc = 0;
    for (let at = 0; at < stored.length; at += STEP_BYTES) {
      const piece = stored.subarray(at, at + STEP_BYTES);
      this.add(piece);
      crc = crc32(piece, crc);
      const draining = this.drain();
      if (draining !== undefined) await draining;
      const waiting = pause();
      if (waiting !== undefined) await waiting;
    }
    this.add(Uint8Array.of(crc >>> 24, crc >>> 16, crc >>> 8, crc));
    return stored.length + CHECKSUM_BYTES;
  }

  /**
   * Appends bytes that carry their own checksum.
   *
   * @param bytes The bytes; copied.
   */
  add(bytes: Uint8Array): void {
    this.#reserve(this.#length + bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /**
   * All bytes so far, but for those that went to the sink.
   *
   * @returns A view, not a copy.
   */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Waits for the piece before; then its buffer takes the next bytes. */
  async #drainNext(sink: ByteSink, all: boolean): Promise<void> {
    const { bytes: spare, done } = this.#writing!;
    await done;
    this.#writing = { bytes: this.#bytes, done: sink.write(this.#piece()) };
    this.#bytes = spare;
    if (all) await this.#writing.done;
  }

  /** Takes what is there out of the buffer. */
  #piece(): Uint8Array {
    const piece = this.finish();
    this.#drained += this.#length;
    this.#length = 0;
    return piece;
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(bytes, 2 * this.#bytes.length));
    larger.set(this.finish());
    this.#bytes = larger;
  }
}
