/**
 * A key where the kernel can see it.
 *
 * @module
 */
import type { Kernel } from "../codec/kernel.ts";

/**
 * A key in the kernel's scratch area. It stays until the next `await` or load:
 * whoever comes back from one sets it again.
 */
export class KeyProbe {
  /** Where the key is. */
  pointer = 0;
  /** Its length. */
  bytes = 0;
  readonly #kernel: Kernel;

  /**
   * Constructs a new {@linkcode KeyProbe}; no key yet.
   *
   * @param kernel Where the key goes.
   */
  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /**
   * Copies a key into the scratch area.
   *
   * @param key The key.
   */
  set(key: Uint8Array): void {
    this.bytes = this.#kernel.scratchKey(key);
    this.pointer = this.#kernel.scratchPointer;
  }
}
