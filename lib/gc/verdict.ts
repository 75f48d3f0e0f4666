/**
 * What became of each file, and why.
 *
 * @module
 */
import type { GcResource } from "./options.ts";

/** One file or checkpoint, and what the collector made of it. */
export interface GcVerdict {
  /** What it is. */
  readonly resource: GcResource | "checkpoint";
  /** Its object's name; a checkpoint's id. */
  readonly name: string;
  /** Its bytes; 0 for a checkpoint. */
  readonly bytes: number;
  /** What became of it; `"would-delete"` in a dry run. */
  readonly fate: "kept" | "deleted" | "would-delete" | "failed";
  /** Why. */
  readonly reason: string;
}

/** A file that nothing needs. */
export interface Candidate {
  /** Its object's name. */
  readonly name: string;
  /** Its bytes. */
  readonly bytes: number;
  /** Why nothing needs it. */
  readonly reason: string;
}

/** A task that could not do its work; what it left is for the next time. */
export interface GcFailure {
  /** The task. */
  readonly resource: GcResource | "checkpoint";
  /** What failed. */
  readonly error: unknown;
}

/** What one pass did. */
export interface GcReport {
  /** Files deleted, or that would be, by kind. */
  readonly deleted: Readonly<Record<GcVerdict["resource"], number>>;
  /** Their bytes. */
  readonly bytes: number;
  /** Whether nothing was deleted because nothing should be. */
  readonly dryRun: boolean;
  /** What failed; empty where all went well. */
  readonly failures: readonly GcFailure[];
  /** Every file that was looked at, where they were asked for. */
  readonly verdicts: readonly GcVerdict[];
}
