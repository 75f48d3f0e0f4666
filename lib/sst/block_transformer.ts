/**
 * The user's own step between compression and the store, such as encryption.
 *
 * @module
 */

/**
 * Rewrites each section of an SST after compression, and undoes it before
 * decompression. Both must be pure: a section may be decoded more than once, in
 * any order, by another process. The info block and the footer stay as they are.
 *
 * An answer that is not a promise keeps reads of cached files synchronous.
 */
export interface BlockTransformer {
  /**
   * Rewrites one section before it is stored.
   *
   * @param bytes The compressed section; the transformer may keep or change it.
   * @returns What to store. May be longer or shorter.
   */
  encode(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /**
   * The inverse of {@linkcode encode}.
   *
   * @param bytes What was stored, its checksum verified; the transformer may keep or change it.
   * @returns The compressed section. A throw is reported as damaged data.
   */
  decode(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
}
