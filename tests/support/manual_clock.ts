/**
 * A clock that a test sets, while timers stay real.
 *
 * @module
 */
import { type Runtime, systemRuntime } from "../../lib/base/runtime.ts";

/** Real timers, and a clock that stands still unless it is moved. */
export class ManualClock implements Runtime {
  /** Milliseconds since the epoch. */
  ms: number;
  /** How often the engine let others have a turn. */
  yields = 0;

  constructor(ms = 1_700_000_000_000) {
    this.ms = ms;
  }

  now(): number {
    return this.ms;
  }

  monotonicMs(): number {
    return systemRuntime.monotonicMs();
  }

  after(ms: number, body: () => void): () => void {
    return systemRuntime.after(ms, body);
  }

  yield(): Promise<void> {
    this.yields++;
    return systemRuntime.yield();
  }

  randomFill(bytes: Uint8Array<ArrayBuffer>): void {
    systemRuntime.randomFill(bytes);
  }
}
