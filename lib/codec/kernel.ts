/**
 * The kernel: one WebAssembly instance per thread, and the views of its memory.
 *
 * Owns: loading, views that survive growth, bytes in and out. What a memtable,
 * block or merge means is for the callers; they use {@linkcode Kernel.exports}.
 *
 * Invariants:
 *  - a view taken from a getter is good until the next call marked (A) in
 *    `abi.ts`: growing the memory detaches it, and the getter then makes another;
 *  - what an export returns is signed: a u32 that may exceed 31 bits (only a
 *    CRC) wants `>>> 0`, a u64 wants `BigInt.asUintN(64, …)`. Pointers and
 *    lengths never do, since the memory stays below 2 GiB;
 *  - nobody else calls the `scratch` export.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import { ABI_VERSION, type KernelExports } from "./abi.ts";
import { decodeKernelWasm } from "./kernel_wasm.gen.ts";
import { createReferenceKernel } from "./reference/reference_kernel.ts";

/** Up to this length a loop beats the runtime's own copy or encoder. */
const MAX_LOOP = 24;
const LEAST_SCRATCH = 1024;
const ENCODER = new TextEncoder();

/** The kernel of one thread; every database in the thread may share it. */
export class Kernel {
  /** The raw functions; see `KERNEL_SYMBOLS` in `abi.ts`. */
  readonly exports: KernelExports;
  /** Where {@linkcode scratchKey} writes; asking for more room may move it. */
  scratchPointer = 0;
  #scratchBytes = 0;
  #u8: Uint8Array<ArrayBuffer>;
  #u32: Uint32Array<ArrayBuffer>;
  #view: DataView<ArrayBuffer>;

  /**
   * Constructs a new {@linkcode Kernel} over given exports.
   *
   * @param exports A kernel's exports.
   * @throws {DbError} Kind `"internal"` if their ABI version is another one.
   */
  constructor(exports: KernelExports) {
    const version = exports.abi_version();
    if (version !== ABI_VERSION) {
      throw new DbError(
        "internal",
        `Cannot load the kernel as its ABI must be ${ABI_VERSION}: current version is ${version}`,
      );
    }
    this.exports = exports;
    const { buffer } = exports.memory;
    this.#u8 = new Uint8Array(buffer);
    this.#u32 = new Uint32Array(buffer);
    this.#view = new DataView(buffer);
  }

  /**
   * Instantiates the embedded module; needs no file or network permission.
   *
   * @returns A kernel with its own memory.
   */
  static async create(): Promise<Kernel> {
    const { instance } = await WebAssembly.instantiate(decodeKernelWasm());
    return new Kernel(instance.exports as unknown as KernelExports);
  }

  /**
   * The same without a promise; takes a few milliseconds, in which nothing else
   * runs. Some browsers refuse it on their main thread.
   *
   * @returns A kernel with its own memory.
   */
  static createSync(): Kernel {
    const module = new WebAssembly.Module(decodeKernelWasm());
    const instance = new WebAssembly.Instance(module);
    return new Kernel(instance.exports as unknown as KernelExports);
  }

  /**
   * The same in plain TypeScript: slower by far, for tests and for hosts where
   * WebAssembly is switched off.
   *
   * @returns A kernel with its own memory.
   */
  static reference(): Kernel {
    return new Kernel(createReferenceKernel());
  }

  /** All of the memory as bytes. */
  get u8(): Uint8Array<ArrayBuffer> {
    // A detached view is empty: cheaper to see than a changed buffer.
    if (this.#u8.length === 0) this.#refresh();
    return this.#u8;
  }

  /** All of the memory as words; index by address / 4. Little-endian hosts only. */
  get u32(): Uint32Array<ArrayBuffer> {
    if (this.#u32.length === 0) this.#refresh();
    return this.#u32;
  }

  /** All of the memory for integers of any width; pass `true` for little-endian. */
  get view(): DataView<ArrayBuffer> {
    if (this.#u8.length === 0) this.#refresh();
    return this.#view;
  }

  /**
   * Allocates memory, 8-byte aligned, with undefined contents.
   *
   * @param bytes How many.
   * @returns The address, to give to {@linkcode free}; 0 if there is no memory.
   */
  alloc(bytes: number): number {
    return this.exports.alloc(bytes);
  }

  /**
   * Gives memory back.
   *
   * @param pointer What {@linkcode alloc} or {@linkcode copyIn} returned, or 0.
   */
  free(pointer: number): void {
    this.exports.free(pointer);
  }

  /**
   * Allocates memory and copies bytes there.
   *
   * @param bytes What to copy; may lie in this memory, whose growth takes the array away, not what it showed.
   * @returns The address, to give to {@linkcode free}.
   * @throws {DbError} Kind `"unavailable"` if there is no memory.
   */
  copyIn(bytes: Uint8Array): number {
    const { byteOffset, length } = bytes;
    const pointer = this.exports.alloc(length);
    if (pointer === 0) throw outOfMemory(length);
    if (bytes.length === length) this.u8.set(bytes, pointer);
    else this.u8.copyWithin(pointer, byteOffset, byteOffset + length);
    return pointer;
  }

  /**
   * Copies memory out, into an array of its own.
   *
   * @param pointer Where it begins.
   * @param bytes How long it is.
   * @returns The copy.
   */
  slice(pointer: number, bytes: number): Uint8Array<ArrayBuffer> {
    return this.u8.slice(pointer, pointer + bytes);
  }

  /**
   * Writes a key to the scratch area at {@linkcode scratchPointer}, where it
   * stays until the next call.
   *
   * @param key Bytes, or text to encode as UTF-8.
   * @returns The key's length in bytes.
   * @throws {DbError} Kind `"unavailable"` if there is no memory.
   */
  scratchKey(key: Uint8Array | string): number {
    if (typeof key === "string") return this.#scratchText(key);
    const { length } = key;
    const pointer = this.scratch(length);
    const { u8 } = this;
    if (length > MAX_LOOP) u8.set(key, pointer);
    else for (let i = 0; i < length; i++) u8[pointer + i] = key[i]!;
    return length;
  }

  /**
   * Makes room in the scratch area, for data of the caller's own.
   *
   * @param bytes How many are needed.
   * @returns The address; also {@linkcode scratchPointer}.
   * @throws {DbError} Kind `"unavailable"` if there is no memory.
   */
  scratch(bytes: number): number {
    if (bytes <= this.#scratchBytes) return this.scratchPointer;
    const wanted = Math.max(bytes, 2 * this.#scratchBytes, LEAST_SCRATCH);
    const pointer = this.exports.scratch(wanted);
    if (pointer === 0) throw outOfMemory(wanted);
    this.#scratchBytes = wanted;
    return this.scratchPointer = pointer;
  }

  /**
   * Reads an unsigned 64-bit integer.
   *
   * @param pointer Its address.
   * @returns The integer.
   */
  readU64(pointer: number): bigint {
    return this.view.getBigUint64(pointer, true);
  }

  /**
   * Reads a signed 64-bit integer.
   *
   * @param pointer Its address.
   * @returns The integer.
   */
  readI64(pointer: number): bigint {
    return this.view.getBigInt64(pointer, true);
  }

  #scratchText(text: string): number {
    const { length } = text;
    // A UTF-16 unit never takes more than three bytes.
    const pointer = this.scratch(3 * length);
    const { u8 } = this;
    if (length <= MAX_LOOP) {
      let i = 0;
      for (; i < length; i++) {
        const unit = text.charCodeAt(i);
        if (unit >= 0x80) break;
        u8[pointer + i] = unit;
      }
      if (i === length) return length;
    }
    const room = u8.subarray(pointer, pointer + 3 * length);
    return ENCODER.encodeInto(text, room).written;
  }

  #refresh(): void {
    const { buffer } = this.exports.memory;
    this.#u8 = new Uint8Array(buffer);
    this.#u32 = new Uint32Array(buffer);
    this.#view = new DataView(buffer);
  }
}

function outOfMemory(bytes: number): DbError {
  return new DbError(
    "unavailable",
    `Cannot allocate ${bytes} bytes: the kernel's memory is exhausted`,
  );
}
