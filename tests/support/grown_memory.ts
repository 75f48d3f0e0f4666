/**
 * Linear memory in which the next allocation finds no room, so that it grows and
 * takes every view of it away.
 *
 * @module
 */
import type { Kernel } from "../../lib/codec/kernel.ts";

/**
 * Takes what is free, without a limit on growth.
 *
 * @param kernel Whose memory.
 * @param leave Bytes to leave in one piece.
 * @returns Gives it back.
 */
export function fillMemory(kernel: Kernel, leave: number): () => void {
  const { exports } = kernel;
  const left = leave === 0 ? 0 : kernel.alloc(leave);
  exports.memory_limit(exports.memory.buffer.byteLength);
  const held: number[] = [];
  for (let bytes = 1 << 24; bytes >= 8; bytes >>= 1) {
    for (let at = kernel.alloc(bytes); at !== 0; at = kernel.alloc(bytes)) {
      held.push(at);
    }
  }
  exports.memory_limit(0);
  kernel.free(left);
  return () => {
    for (const at of held) kernel.free(at);
  };
}
