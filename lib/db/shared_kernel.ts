/**
 * The kernel that all databases of a thread share.
 *
 * @module
 */
import { Kernel } from "../codec/kernel.ts";

let kernel: Promise<Kernel> | undefined;

/**
 * The thread's kernel, instantiated by the first caller. Where WebAssembly is
 * switched off it is the plain TypeScript one: slower by far, and the same.
 *
 * @returns The kernel.
 */
export function sharedKernel(): Promise<Kernel> {
  kernel ??= typeof WebAssembly === "undefined"
    ? Promise.resolve(Kernel.reference())
    : Kernel.create();
  return kernel;
}
