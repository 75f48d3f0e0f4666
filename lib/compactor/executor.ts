/**
 * Where the parts of compactions run.
 *
 * @module
 */
import type { PartHooks, PartRequest, PartResult } from "./part.ts";

/** Runs parts of compactions: in this event loop, or in other threads. */
export interface JobExecutor {
  /** Parts that run at the same time at full speed; more are welcome. */
  readonly parallelism: number;
  /**
   * Runs one part.
   *
   * @param request What to do.
   * @param hooks How to watch and end it.
   * @returns What it made; nothing refers to the output yet.
   * @throws {DbError} What it failed with; kind `"unavailable"` if the thread died. The signal's reason.
   */
  runPart(request: PartRequest, hooks: PartHooks): Promise<PartResult>;
  /** Ends what runs, and frees the threads. */
  close(): Promise<void>;
}
