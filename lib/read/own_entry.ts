/**
 * Entries with arrays of their own.
 *
 * Bun keeps short arrays inside of its heap: there, and only there, they cost less
 * than views on a copy of the batch, and the copy is saved as well.
 *
 * @module
 */
import { copyOut } from "../base/bytes.ts";
import type { Entry } from "../base/row.ts";
import { ROW_HEADER_BYTES, RowFlag } from "../codec/abi.ts";
import type { Kernel } from "../codec/kernel.ts";

/** Whether {@linkcode OwnEntry} is the cheaper kind of entry in this runtime. */
export const OWN_ENTRIES: boolean = "Bun" in globalThis;

/** One entry; its numbers are kept as words until somebody asks for them. */
export class OwnEntry implements Entry {
  /** See {@linkcode Entry.key}. */
  readonly key: Uint8Array;
  /** See {@linkcode Entry.value}. */
  readonly value: Uint8Array;
  readonly #flags: number;
  readonly #seqLow: number;
  readonly #seqHigh: number;
  readonly #createLow: number;
  readonly #createHigh: number;
  readonly #expireLow: number;
  readonly #expireHigh: number;

  /**
   * Constructs a new {@linkcode OwnEntry} by copying a row record.
   *
   * @param u8 Linear memory.
   * @param u32 The same.
   * @param at Address of the record, which is no merge operand.
   */
  constructor(
    u8: Uint8Array<ArrayBuffer>,
    u32: Uint32Array<ArrayBuffer>,
    at: number,
  ) {
    const word = at >> 2;
    const key = at + ROW_HEADER_BYTES;
    const keyBytes = u32[word + 6]!;
    this.key = copyOut(u8, key, keyBytes);
    this.value = copyOut(u8, key + keyBytes, u32[word + 7]!);
    this.#seqLow = u32[word]!;
    this.#seqHigh = u32[word + 1]!;
    this.#createLow = u32[word + 2]!;
    this.#createHigh = u32[word + 3]!;
    this.#expireLow = u32[word + 4]!;
    this.#expireHigh = u32[word + 5]!;
    this.#flags = u32[word + 8]!;
  }

  /** See {@linkcode Entry.seq}. */
  get seq(): bigint {
    return join(this.#seqHigh, this.#seqLow);
  }

  /** See {@linkcode Entry.createTs}. */
  get createTs(): bigint {
    return (this.#flags & RowFlag.CREATE) === 0
      ? 0n
      : BigInt.asIntN(64, join(this.#createHigh, this.#createLow));
  }

  /** See {@linkcode Entry.expireTs}. */
  get expireTs(): bigint | undefined {
    return (this.#flags & RowFlag.EXPIRE) === 0
      ? undefined
      : BigInt.asIntN(64, join(this.#expireHigh, this.#expireLow));
  }
}

/**
 * Makes entries of a batch of merged rows.
 *
 * @param kernel Where the rows are.
 * @param output Address of the first.
 * @param bytes Bytes of all.
 * @returns One entry for each row; `undefined` where operands have to be folded.
 */
export function takeOwnEntries(
  kernel: Kernel,
  output: number,
  bytes: number,
): Entry[] | undefined {
  const { u8, u32 } = kernel;
  const end = output + bytes;
  const entries: Entry[] = [];
  for (let at = output; at < end; at += u32[(at + 36) >> 2]!) {
    if ((u32[(at + 32) >> 2]! & RowFlag.MERGE) !== 0) return undefined;
    entries.push(new OwnEntry(u8, u32, at));
  }
  return entries;
}

function join(high: number, low: number): bigint {
  return BigInt(high) << 32n | BigInt(low);
}
