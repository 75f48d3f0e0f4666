/**
 * The checksum at the end of our own manifests.
 *
 * @module
 */

const MAGIC = [0x53, 0x48, 0x4c, 0x31]; // "SHL1"

/** Whether a file ends in a checksum: `SHL1`, then the CRC-32. */
export function hasMagic(file: Uint8Array): boolean {
  const at = file.length - 8;
  return at >= 0 && MAGIC.every((byte, i) => file[at + i] === byte);
}
