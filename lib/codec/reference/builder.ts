/**
 * The SST builder of the kernel's TypeScript twin.
 *
 * @module
 */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import type { Row } from "../../base/row.ts";
import { AbiError, BUILDER_STATE, type KernelExports } from "../abi.ts";
import { readRow } from "../row_record.ts";
import { BlockEncoder, separatorBetween } from "./block_format.ts";
import { createReferenceHashes } from "./hashes.ts";
import type { ReferenceMemory } from "./memory.ts";

/** The exports made here. */
export type BuilderExports = Pick<
  KernelExports,
  | "builder_create"
  | "builder_free"
  | "builder_add"
  | "builder_add_chain"
  | "builder_finish_block"
  | "builder_hashes"
>;

const HEADER_BYTES = 96;
const MAX_BLOCK_BYTES = 65_536;
/** Where the hashes are among what lies in memory for the host; no offset. */
const HASHES = -1;

/**
 * Makes the builder exports over a memory.
 *
 * @param memory Where pointers point to.
 * @returns The functions.
 */
export function createReferenceBuilders(
  memory: ReferenceMemory,
): BuilderExports {
  const builders = new Map<number, ReferenceBuilder>();
  const at = (handle: number): ReferenceBuilder => {
    const builder = builders.get(handle);
    if (builder !== undefined) return builder;
    throw new RangeError(`Cannot use a builder: there is none at ${handle}`);
  };
  return {
    builder_create: (blockBytes, hashed) => {
      const handle = memory.alloc(HEADER_BYTES);
      if (handle === 0) return 0;
      const limit = Math.min(blockBytes >>> 0, MAX_BLOCK_BYTES);
      builders.set(
        handle,
        new ReferenceBuilder(memory, handle, limit, hashed !== 0),
      );
      return handle;
    },
    builder_free: (handle) => {
      if (handle === 0) return;
      at(handle).free();
      builders.delete(handle);
    },
    builder_add: (handle, records, bytes) => at(handle).add(records, bytes),
    builder_add_chain: (handle, record, last) =>
      at(handle).addChain(record, last),
    builder_finish_block: (handle) => at(handle).finishBlock(),
    builder_hashes: (handle) => at(handle).hashes(),
  };
}

/** Rows of one block by kind. */
interface Tally {
  put: number;
  delete: number;
  merge: number;
}

class ReferenceBuilder {
  readonly #memory: ReferenceMemory;
  readonly #handle: number;
  readonly #limit: number;
  readonly #hashed: boolean;
  readonly #hashes: bigint[] = [];
  /** What lies in memory for the host, by the offset of its pointer. */
  readonly #held = new Map<number, number>();
  #block = new BlockEncoder();
  #tally: Tally = { put: 0, delete: 0, merge: 0 };
  #first: Row | undefined;
  #last: Row | undefined;
  #separator: Uint8Array = EMPTY_BYTES;

  constructor(
    memory: ReferenceMemory,
    handle: number,
    limit: number,
    hashed: boolean,
  ) {
    this.#memory = memory;
    this.#handle = handle;
    this.#limit = limit;
    this.#hashed = hashed;
    memory.u8.fill(0, handle, handle + HEADER_BYTES);
  }

  add(records: number, bytes: number): number {
    let taken = 0;
    while (taken < bytes) {
      const pointer = records + taken;
      if (!this.#add(readRow(this.#memory, pointer), pointer)) break;
      const { view } = this.#memory;
      const length = view.getUint32(pointer + 24, true) +
        view.getUint32(pointer + 28, true);
      taken += Math.ceil((40 + length) / 8) * 8;
    }
    return this.#holdLastKey() ? taken : AbiError.OUT_OF_MEMORY;
  }

  addChain(first: number, last: number): number {
    let record = first;
    while (record !== 0) {
      if (!this.#add(readRow(this.#memory, record), record)) break;
      record = record === last
        ? 0
        : this.#memory.view.getUint32(record + 36, true);
    }
    return this.#holdLastKey() ? record : AbiError.OUT_OF_MEMORY;
  }

  finishBlock(): number {
    if (this.#block.rows === 0) return 0;
    const bytes = this.#block.finish();
    const { BLOCK, SEPARATOR, BLOCK_BYTES, SEPARATOR_BYTES } = BUILDER_STATE;
    if (
      !this.#hold(BLOCK, BLOCK_BYTES, bytes) ||
      !this.#hold(SEPARATOR, SEPARATOR_BYTES, this.#separator)
    ) return AbiError.OUT_OF_MEMORY;
    this.#store(BUILDER_STATE.BLOCK_PUTS, this.#tally.put);
    this.#store(BUILDER_STATE.BLOCK_DELETES, this.#tally.delete);
    this.#store(BUILDER_STATE.BLOCK_MERGES, this.#tally.merge);
    this.#store64(BUILDER_STATE.BLOCK_FIRST_SEQ, this.#first!.seq);
    this.#store(BUILDER_STATE.BLOCK_ROWS, 0);
    this.#block = new BlockEncoder();
    this.#tally = { put: 0, delete: 0, merge: 0 };
    return bytes.length;
  }

  hashes(): number {
    this.#memory.free(this.#held.get(HASHES) ?? 0);
    this.#held.delete(HASHES);
    if (this.#hashes.length === 0) return 0;
    const hashes = this.#memory.alloc(8 * this.#hashes.length);
    if (hashes === 0) return 0;
    this.#hashes.forEach((hash, n) =>
      this.#memory.view.setBigUint64(hashes + 8 * n, hash, true)
    );
    this.#held.set(HASHES, hashes);
    return hashes;
  }

  free(): void {
    for (const pointer of this.#held.values()) this.#memory.free(pointer);
    this.#memory.free(this.#handle);
  }

  /** Adds a row, unless the block has no room for it. */
  #add(given: Row, pointer: number): boolean {
    const row = given.kind === "delete" && given.value.length > 0
      ? { ...given, value: EMPTY_BYTES }
      : given;
    const starts = this.#block.rows === 0;
    if (!starts && this.#block.bytesWith(row) > this.#limit) return false;
    if (starts) {
      this.#first = row;
      this.#separator = this.#last === undefined
        ? EMPTY_BYTES
        : separatorBetween(this.#last.key, row.key);
    }
    if (this.#last === undefined) {
      const { FIRST_KEY, FIRST_KEY_BYTES } = BUILDER_STATE;
      this.#hold(FIRST_KEY, FIRST_KEY_BYTES, row.key);
    }
    if (this.#hashed) {
      const { siphash13 } = createReferenceHashes(this.#memory);
      this.#hashes.push(siphash13(pointer + 40, row.key.length));
    }
    this.#block.add(row);
    this.#tally[row.kind]++;
    this.#last = row;
    this.#count(row);
    return true;
  }

  #count(row: Row): void {
    const { ROWS, RAW_KEY_BYTES, RAW_VALUE_BYTES, MAX_SEQ, MIN_SEQ } =
      BUILDER_STATE;
    const { view } = this.#memory;
    const rows = view.getUint32(this.#handle + ROWS, true);
    this.#store(ROWS, rows + 1);
    this.#store(BUILDER_STATE.BLOCK_ROWS, this.#block.rows);
    const load = (at: number) => view.getBigUint64(this.#handle + at, true);
    this.#store64(RAW_KEY_BYTES, load(RAW_KEY_BYTES) + BigInt(row.key.length));
    this.#store64(
      RAW_VALUE_BYTES,
      load(RAW_VALUE_BYTES) + BigInt(row.value.length),
    );
    if (row.seq > load(MAX_SEQ)) this.#store64(MAX_SEQ, row.seq);
    if (rows === 0 || row.seq < load(MIN_SEQ)) this.#store64(MIN_SEQ, row.seq);
  }

  #holdLastKey(): boolean {
    const { LAST_KEY, LAST_KEY_BYTES } = BUILDER_STATE;
    return this.#hold(LAST_KEY, LAST_KEY_BYTES, this.#last?.key ?? EMPTY_BYTES);
  }

  /** Puts bytes where the host finds them; `false` when there is no memory. */
  #hold(pointerAt: number, bytesAt: number, bytes: Uint8Array): boolean {
    this.#memory.free(this.#held.get(pointerAt) ?? 0);
    this.#held.delete(pointerAt);
    const pointer = this.#memory.alloc(bytes.length);
    if (pointer === 0) return false;
    this.#memory.u8.set(bytes, pointer);
    this.#held.set(pointerAt, pointer);
    this.#store(pointerAt, pointer);
    this.#store(bytesAt, bytes.length);
    return true;
  }

  #store(at: number, value: number): void {
    this.#memory.view.setUint32(this.#handle + at, value, true);
  }

  #store64(at: number, value: bigint): void {
    this.#memory.view.setBigUint64(this.#handle + at, value, true);
  }
}
