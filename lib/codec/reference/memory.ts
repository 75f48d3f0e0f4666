/**
 * Linear memory for the kernel's TypeScript twin: an `ArrayBuffer` that grows,
 * and the simplest allocator that gives memory back.
 *
 * As with WebAssembly, growing detaches the buffer and every view taken before;
 * {@linkcode ReferenceMemory.u8} and {@linkcode ReferenceMemory.view} are always
 * current. Addresses stay below 2 GiB.
 *
 * @module
 */
import type { KernelExports } from "../abi.ts";

const PAGE_BYTES = 65_536;
const MAX_BYTES = 0x8000_0000;
/** Address 0 means "none", so nothing is handed out there. */
const FIRST_ADDRESS = 64;

/** The exports that {@linkcode ReferenceMemory} itself provides. */
export type MemoryExports = Pick<
  KernelExports,
  "memory" | "alloc" | "free" | "memory_limit" | "memory_used" | "scratch"
>;

/** Linear memory and its allocator: one free list per power of two. */
export class ReferenceMemory {
  #buffer = new ArrayBuffer(PAGE_BYTES);
  #u8 = new Uint8Array(this.#buffer);
  #view = new DataView(this.#buffer);
  #top = FIRST_ADDRESS;
  #used = 0;
  #limit = MAX_BYTES;
  #scratch = 0;
  #scratchBytes = 0;
  readonly #classes = new Map<number, number>();
  readonly #free = new Map<number, number[]>();

  /** The memory as it is now; detached by the next growth. */
  get buffer(): ArrayBuffer {
    return this.#buffer;
  }

  /** All of the memory as bytes. */
  get u8(): Uint8Array<ArrayBuffer> {
    return this.#u8;
  }

  /** All of the memory for reading and writing integers. */
  get view(): DataView<ArrayBuffer> {
    return this.#view;
  }

  /** Bytes handed out and not freed. */
  get used(): number {
    return this.#used;
  }

  /**
   * Hands out memory, 8-byte aligned, with undefined contents.
   *
   * @param bytes How many are needed.
   * @returns Their address, or 0 when the limit is reached.
   */
  alloc(bytes: number): number {
    const size = sizeClass(bytes);
    let pointer = this.#free.get(size)?.pop() ?? 0;
    if (pointer === 0) {
      if (!this.#reserve(this.#top + size)) return 0;
      pointer = this.#top;
      this.#top += size;
    }
    this.#classes.set(pointer, size);
    this.#used += size;
    return pointer;
  }

  /**
   * Takes memory back.
   *
   * @param pointer What {@linkcode alloc} returned; 0 is allowed.
   * @throws {RangeError} If nothing is handed out at that address.
   */
  free(pointer: number): void {
    if (pointer === 0) return;
    const size = this.#classes.get(pointer);
    if (size === undefined) {
      throw new RangeError(
        `Cannot free memory: nothing is handed out at ${pointer}`,
      );
    }
    this.#classes.delete(pointer);
    this.#used -= size;
    const list = this.#free.get(size);
    if (list === undefined) this.#free.set(size, [pointer]);
    else list.push(pointer);
  }

  /**
   * The shared scratch area.
   *
   * @param bytes How many are needed.
   * @returns Its address, or 0 when the limit is reached.
   */
  scratch(bytes: number): number {
    if (this.#scratch !== 0 && bytes <= this.#scratchBytes) {
      return this.#scratch;
    }
    const pointer = this.alloc(bytes);
    if (pointer === 0) return 0;
    this.free(this.#scratch);
    this.#scratch = pointer;
    this.#scratchBytes = bytes;
    return pointer;
  }

  /**
   * The kernel exports over this memory.
   *
   * @returns Functions that need no `this`.
   */
  exports(): MemoryExports {
    const buffer = () => this.#buffer;
    return {
      memory: {
        get buffer() {
          return buffer();
        },
      },
      alloc: (bytes) => this.alloc(bytes >>> 0),
      free: (pointer) => this.free(pointer),
      memory_limit: (bytes) => {
        const limit = Math.min(bytes >>> 0 || MAX_BYTES, MAX_BYTES);
        this.#limit = limit - limit % PAGE_BYTES;
      },
      memory_used: () => this.#used,
      scratch: (bytes) => this.scratch(bytes >>> 0),
    };
  }

  /** Grows to at least `bytes`; `false` when the limit does not allow it. */
  #reserve(bytes: number): boolean {
    const now = this.#buffer.byteLength;
    if (bytes <= now) return true;
    if (bytes > this.#limit) return false;
    const wanted = Math.min(Math.max(bytes, now * 2), this.#limit);
    this.#buffer = this.#buffer.transfer(
      Math.ceil(wanted / PAGE_BYTES) * PAGE_BYTES,
    );
    this.#u8 = new Uint8Array(this.#buffer);
    this.#view = new DataView(this.#buffer);
    return true;
  }
}

/** The next power of two, at least 16. */
function sizeClass(bytes: number): number {
  return bytes <= 16 ? 16 : 2 ** Math.ceil(Math.log2(bytes));
}
