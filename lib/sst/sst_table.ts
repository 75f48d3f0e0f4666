/**
 * One SST, ready to read.
 *
 * @module
 */
import type { SstHandle } from "../format/manifest.ts";

/** One SST as one place of the tree refers to it. */
export class SstTable {
  /** How the manifest refers to it. */
  readonly handle: SstHandle;

  /**
   * Constructs a new {@linkcode SstTable}, referenced by nobody; no I/O.
   *
   * @param handle How the manifest refers to it.
   */
  constructor(handle: SstHandle) {
    this.handle = handle;
  }

  /** Keeps what is loaded until {@linkcode release}. */
  acquire(): void {
  }

  /** Gives back one reference; the last one frees all that is loaded. */
  release(): void {
  }
}
