/**
 * Compression of long sections in short steps, so that others get their turn:
 * the index and the filter of a long SST have megabytes.
 *
 * Any decoder reads what comes out, but the bytes are not those that one step
 * would give: the kernel's codecs find no matches across pieces.
 *
 * @module
 */
import type * as Zlib from "node:zlib";
import { concatBytes } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import { compress, type Compression } from "./compression.ts";
import type { Kernel } from "./kernel.ts";

/** Lets others run where it is time to. */
export type Pause = () => Promise<void> | undefined;

/** What the kernel's codecs compress at a time; Snappy itself divides like that. */
const KERNEL_BYTES = 64 * 1024;
/** What the runtime's codecs are given at a time; zlib is slow. */
const STREAM_BYTES = 16 * 1024;
/** Up to this length one step is short enough; with zlib, it is not. */
const SHORT_BYTES = 2 * KERNEL_BYTES;
const SHORT_ZLIB_BYTES = 2 * STREAM_BYTES;

type NodeProcess = {
  getBuiltinModule?: (name: "node:zlib") => typeof Zlib | undefined;
};

/**
 * Compresses a section of any length.
 *
 * @param kernel Where Snappy and LZ4 run.
 * @param compression How.
 * @param raw The content; not in the kernel's memory.
 * @param pause Called between steps; what it returns is waited for, and ends the work if it rejects.
 * @returns What to store; the same array for `none`.
 * @throws {DbError} Kind `"invalid"` if this runtime cannot write it.
 */
export async function compressInSteps(
  kernel: Kernel,
  compression: Compression,
  raw: Uint8Array,
  pause: Pause,
): Promise<Uint8Array> {
  const short = compression === "zlib" ? SHORT_ZLIB_BYTES : SHORT_BYTES;
  if (raw.length <= short) return compress(kernel, compression, raw);
  switch (compression) {
    case "none":
      return raw;
    case "snappy":
      return await inPieces(
        kernel,
        compression,
        raw,
        pause,
        new SnappyPieces(),
      );
    case "lz4":
      return await inPieces(
        kernel,
        compression,
        raw,
        pause,
        new Lz4Pieces(raw),
      );
    case "zlib":
    case "zstd":
      return await throughStream(compression, raw, pause);
  }
}

/** Joins pieces that were compressed one by one. */
interface Pieces {
  /** Takes the next one; `stored` is its own. */
  add(stored: Uint8Array, rawBytes: number): void;
  /** What all of them together are. */
  finish(rawBytes: number): Uint8Array;
}

async function inPieces(
  kernel: Kernel,
  compression: Compression,
  raw: Uint8Array,
  pause: Pause,
  pieces: Pieces,
): Promise<Uint8Array> {
  for (let at = 0; at < raw.length; at += KERNEL_BYTES) {
    const piece = raw.subarray(at, at + KERNEL_BYTES);
    pieces.add(compress(kernel, compression, piece), piece.length);
    const waiting = pause();
    if (waiting !== undefined) await waiting;
  }
  return pieces.finish(raw.length);
}

/** `raw length varint | elements`, where no element reaches back over a piece. */
class SnappyPieces implements Pieces {
  readonly #parts: Uint8Array[] = [];

  add(stored: Uint8Array): void {
    let at = 0;
    while (stored[at++]! >= 0x80);
    this.#parts.push(stored.subarray(at));
  }

  finish(rawBytes: number): Uint8Array {
    const length: number[] = [];
    let left = rawBytes;
    for (; left >= 0x80; left = Math.floor(left / 0x80)) {
      length.push(left % 0x80 + 0x80);
    }
    length.push(left);
    return concatBytes([Uint8Array.from(length), ...this.#parts]);
  }
}

const LZ4_HEADER_BYTES = 4;
/** What a token's half holds; such a length goes on in bytes behind it. */
const LZ4_MORE = 15;

/**
 * `raw length u32 | sequences`. The last sequence of a piece has literals and no
 * match, which only the last one of all may: the literals go to the next match.
 */
class Lz4Pieces implements Pieces {
  readonly #raw: Uint8Array;
  readonly #parts: Uint8Array[] = [new Uint8Array(LZ4_HEADER_BYTES)];
  /** Where the piece begins. */
  #start = 0;
  /** Literals before it that wait for a match. */
  #pending = 0;

  constructor(raw: Uint8Array) {
    this.#raw = raw;
  }

  add(stored: Uint8Array, rawBytes: number): void {
    const first = sequenceAt(stored, LZ4_HEADER_BYTES);
    if (first.end === stored.length) {
      this.#pending += rawBytes;
    } else {
      let last = first;
      for (let at = first.end; at < stored.length;) {
        last = sequenceAt(stored, at);
        at = last.end;
      }
      const literals = this.#pending + first.literals;
      const token = stored[LZ4_HEADER_BYTES]! & LZ4_MORE;
      this.#putLiterals(literals, token, this.#start + first.literals);
      this.#parts.push(stored.subarray(first.match, last.start));
      this.#pending = last.literals;
    }
    this.#start += rawBytes;
  }

  finish(rawBytes: number): Uint8Array {
    this.#putLiterals(this.#pending, 0, rawBytes);
    const stored = concatBytes(this.#parts);
    new DataView(stored.buffer).setUint32(0, rawBytes, true);
    return stored;
  }

  /** Writes a token whose lower half is given, and the literals up to `end`. */
  #putLiterals(count: number, token: number, end: number): void {
    const head = [Math.min(count, LZ4_MORE) << 4 | token];
    if (count >= LZ4_MORE) {
      let left = count - LZ4_MORE;
      for (; left >= 255; left -= 255) head.push(255);
      head.push(left);
    }
    this.#parts.push(
      Uint8Array.from(head),
      this.#raw.subarray(end - count, end),
    );
  }
}

/** Where the parts of one of LZ4's sequences lie. */
interface Lz4Sequence {
  readonly start: number;
  readonly literals: number;
  /** Where the literals end and the match is described. */
  readonly match: number;
  readonly end: number;
}

function sequenceAt(stored: Uint8Array, start: number): Lz4Sequence {
  const token = stored[start]!;
  let at = start + 1;
  let literals = token >>> 4;
  if (literals === LZ4_MORE) {
    do literals += stored[at]!; while (stored[at++] === 255);
  }
  const match = at + literals;
  // The last sequence ends with its literals.
  if (match >= stored.length) {
    return { start, literals, match, end: stored.length };
  }
  at = match + 2;
  if ((token & LZ4_MORE) === LZ4_MORE) { while (stored[at++] === 255); }
  return { start, literals, match, end: at };
}

async function throughStream(
  compression: "zlib" | "zstd",
  raw: Uint8Array,
  pause: Pause,
): Promise<Uint8Array> {
  const stream = createStream(compression);
  const parts: Uint8Array[] = [];
  stream.on("data", (part: Uint8Array) => parts.push(part));
  const ended = new Promise<void>((resolve, reject) => {
    stream.on("end", resolve);
    stream.on("error", reject);
  });
  // Whoever waits for a write may be told first.
  ended.catch(() => {});
  try {
    for (let at = 0; at < raw.length; at += STREAM_BYTES) {
      const piece = raw.subarray(at, at + STREAM_BYTES);
      await new Promise<void>((resolve, reject) =>
        stream.write(
          piece,
          (error) => error == null ? resolve() : reject(error),
        )
      );
      const waiting = pause();
      if (waiting !== undefined) await waiting;
    }
    stream.end();
    await ended;
  } finally {
    stream.destroy();
  }
  return concatBytes(parts);
}

function createStream(compression: "zlib" | "zstd"): Zlib.Deflate {
  const { process } = globalThis as { process?: NodeProcess };
  const zlib = process?.getBuiltinModule?.("node:zlib");
  const create = compression === "zlib"
    ? zlib?.createDeflate
    : zlib?.createZstdCompress;
  if (create !== undefined) return create() as Zlib.Deflate;
  throw new DbError("invalid", `This runtime cannot write \`${compression}\``);
}
