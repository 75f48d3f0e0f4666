/**
 * Which seq was the newest at which time: a sample a minute, thinned as it grows.
 *
 * Owns the samples and their encoding, `version u8 = 1 | count u32 LE | seqs |
 * times`, both Gorilla streams. Advice, not truth: entries that cannot be, such
 * as SlateDB leaves behind after seqs more than 2^31 apart, are dropped silently.
 *
 * @module
 */
import { concatBytes } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import { encodeGorilla, fitsGorilla, GorillaReader } from "./gorilla.ts";

const VERSION = 1;
const HEADER_BYTES = 5;
/** Samples kept; one more, and every second one goes. */
const MAX_SAMPLES = 8192;
/** Seconds between samples. */
const INTERVAL_S = 60;

/** Which neighbour counts where nothing was recorded exactly then. */
export type Rounding = "up" | "down";

/** Samples of seq and time, both ascending. */
export class SeqTracker {
  #seqs: bigint[] = [];
  #timesS: number[] = [];
  #lastRecordedS: number | undefined;

  /** Samples held. */
  get length(): number {
    return this.#seqs.length;
  }

  /**
   * Decodes a tracker. The first sample recorded after that is not limited.
   *
   * @param bytes What {@linkcode SeqTracker.encode} gave.
   * @returns The tracker.
   * @throws {DbError} Kind `"data"` if it is damaged.
   */
  static decode(bytes: Uint8Array): SeqTracker {
    if (bytes.length < HEADER_BYTES || bytes[0] !== VERSION) {
      throw new DbError("data", "The sequence tracker is cut short or unknown");
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const count = view.getUint32(1, true);
    const reader = new GorillaReader(bytes, HEADER_BYTES);
    const seqs = reader.next();
    const times = reader.next();
    if (seqs.length !== count || times.length !== count) {
      throw new DbError("data", "The sequence tracker is damaged: its counts");
    }
    const tracker = new SeqTracker();
    seqs.forEach((seq, i) => {
      tracker.#add(BigInt.asUintN(64, seq), Number(times[i]!));
    });
    return tracker;
  }

  /**
   * Encodes the tracker. Only the newest samples whose differences the format
   * can express are in it.
   *
   * @returns The bytes for a manifest.
   */
  encode(): Uint8Array<ArrayBuffer> {
    const from = this.#firstExpressible();
    const seqs = this.#seqs.slice(from);
    const times = this.#timesS.slice(from).map(BigInt);
    const header = new Uint8Array(HEADER_BYTES);
    const view = new DataView(header.buffer);
    view.setUint8(0, VERSION);
    view.setUint32(1, seqs.length, true);
    return concatBytes([header, encodeGorilla(seqs), encodeGorilla(times)]);
  }

  /**
   * Records a sample, unless the last one recorded is younger than a minute, or
   * newer in any respect.
   *
   * @param seq A seq.
   * @param unixSeconds When it was given out; whole seconds since the epoch.
   * @returns Whether it was recorded.
   */
  record(seq: bigint, unixSeconds: number): boolean {
    const last = this.#lastRecordedS;
    if (last !== undefined && unixSeconds - last < INTERVAL_S) return false;
    if (!this.#add(seq, unixSeconds)) return false;
    this.#lastRecordedS = unixSeconds;
    return true;
  }

  /**
   * Records the samples of another tracker, under the same limits.
   *
   * @param other A tracker of later writes.
   */
  append(other: SeqTracker): void {
    other.#seqs.forEach((seq, i) => this.record(seq, other.#timesS[i]!));
  }

  /**
   * Finds the newest seq at a time.
   *
   * @param unixSeconds Seconds since the epoch.
   * @param rounding Which neighbour to take between two samples.
   * @returns The seq, or `undefined` where there is no such neighbour.
   */
  seqAt(unixSeconds: number, rounding: Rounding): bigint | undefined {
    const index = find(this.#timesS, unixSeconds, rounding);
    return this.#seqs[index];
  }

  /**
   * Finds when a seq was given out.
   *
   * @param seq The seq.
   * @param rounding Which neighbour to take between two samples.
   * @returns Seconds since the epoch, or `undefined` where there is no such
   * neighbour.
   */
  timeAt(seq: bigint, rounding: Rounding): number | undefined {
    const index = find(this.#seqs, seq, rounding);
    return this.#timesS[index];
  }

  #add(seq: bigint, timeS: number): boolean {
    const lastSeq = this.#seqs.at(-1);
    const lastTimeS = this.#timesS.at(-1);
    if (!Number.isSafeInteger(timeS)) return false;
    if (lastSeq !== undefined && seq < lastSeq) return false;
    if (lastTimeS !== undefined && timeS < lastTimeS) return false;
    this.#seqs.push(seq);
    this.#timesS.push(timeS);
    if (this.#seqs.length > MAX_SAMPLES) {
      this.#seqs = this.#seqs.filter((_, i) => i % 2 === 0);
      this.#timesS = this.#timesS.filter((_, i) => i % 2 === 0);
    }
    return true;
  }

  /**
   * A change too large for the format would be cut to 32 bits and falsify all
   * that follows; a stream that starts behind it says its first value in full.
   */
  #firstExpressible(): number {
    let first = 0;
    let seqStep = 0n;
    let timeStep = 0n;
    for (let i = 1; i < this.#seqs.length; i++) {
      const nextSeqStep = this.#seqs[i]! - this.#seqs[i - 1]!;
      const nextTimeStep = BigInt(this.#timesS[i]! - this.#timesS[i - 1]!);
      if (
        fitsGorilla(nextSeqStep - seqStep) &&
        fitsGorilla(nextTimeStep - timeStep)
      ) {
        seqStep = nextSeqStep;
        timeStep = nextTimeStep;
      } else {
        first = i;
        seqStep = 0n;
        timeStep = 0n;
      }
    }
    return first;
  }
}

/** Index of `wanted` or its neighbour in an ascending list; -1 or the length where there is none. */
function find<Value extends number | bigint>(
  values: readonly Value[],
  wanted: Value,
  rounding: Rounding,
): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  if (values[low] === wanted || rounding === "up") return low;
  return low - 1;
}
