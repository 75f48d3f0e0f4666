/**
 * What the calls of `Admin` take and give.
 *
 * @module
 */
import type { Logger } from "../base/log.ts";
import type { Recorder } from "../base/metrics.ts";
import type { Runtime } from "../base/runtime.ts";
import type { Compactions } from "../format/compactions.ts";
import type { Manifest } from "../format/manifest.ts";
import type { GarbageCollectorSettings } from "../gc/options.ts";
import type { GcFilter } from "../gc/sweep.ts";
import type { ObjectStore } from "../object_store/object_store.ts";

/** What an {@linkcode Admin} works with. */
export interface AdminOptions {
  /** Where the database lives. */
  store: ObjectStore;
  /** Where its WAL lives, if not in `store`. */
  walStore?: ObjectStore;
  /** Clock, timers and randomness; the host's unless given. */
  runtime?: Runtime;
  /** Where metrics go; nowhere unless given. */
  recorder?: Recorder;
  /** Where messages go; nowhere unless given. */
  logger?: Logger;
  /**
   * Whether manifests and compactions files get a checksum that Shale verifies
   * and SlateDB ignores.
   *
   * @default {true}
   */
  manifestChecksum?: boolean;
}

/** What an {@linkcode Admin} collects, and what it tells about it. */
export interface RunGcOptions {
  /** The collector's settings; SlateDB's defaults unless given. */
  settings?: GarbageCollectorSettings;
  /**
   * Whether to delete nothing, and say what would be.
   *
   * @default {false}
   */
  dryRun?: boolean;
  /** May keep files that nothing needs. */
  filter?: GcFilter;
  /** Ends the pass with the signal's reason. */
  signal?: AbortSignal;
}

/** What a collector that runs again and again collects. */
export interface StartGcOptions {
  /** The collector's settings; SlateDB's defaults unless given. */
  settings?: GarbageCollectorSettings;
  /** May keep files that nothing needs. */
  filter?: GcFilter;
}

/** A collector that runs until it is stopped; it does not keep the process alive. */
export interface RunningGc extends AsyncDisposable {
  /** Ends it; resolves when nothing runs any more, and never rejects. */
  stop(): Promise<void>;
}

/** The state of a database and of its compactor, as they fit each other. */
export interface CompactorState {
  /** The compactor's state; `undefined` where there never was one. Older than the manifest. */
  readonly compactions: Compactions | undefined;
  /** The latest manifest. */
  readonly manifest: Manifest;
}
