/**
 * The compactor beside a writer: which option goes where, and how each learns of
 * what the other did to the tree.
 *
 * A compactor that is fenced or fails leaves the writer as it is: it goes on
 * until L0 is full, and `status()` says why nothing is compacted.
 *
 * @module
 */
import { silentLogger } from "../base/log.ts";
import type { Compactor } from "../compactor/compactor.ts";
import {
  checkedSettings,
  type JobComponents,
  openCompactor,
} from "../compactor/open.ts";
import type { CompactorSettings } from "../compactor/options.ts";
import type { Flusher } from "../flush/flusher.ts";
import type { LsmState } from "../lsm/lsm_state.ts";
import type { HeldManifest } from "../manifest/held_manifest.ts";
import { encodingOf, type Opening } from "./engine_parts.ts";
import type { DbOptions } from "./open_options.ts";
import type { ResolvedSettings } from "./settings.ts";

/** What the compactor works beside. */
export interface CompactingParts {
  /** The writer's hold on the manifest. */
  readonly manifest: HeldManifest;
  /** The writer's tree. */
  readonly state: LsmState;
  /** Installs what is compacted. */
  readonly flusher: Flusher;
}

/**
 * Makes sure that the compactor could be made, before a writer begins.
 *
 * @param options The database's options.
 * @throws {DbError} Kind `"invalid"` if one of its settings is.
 */
export function checkCompacting(options: DbOptions): void {
  const settings = settingsOf(options);
  if (settings === undefined) return;
  const { formatTarget = "interop" } = options;
  checkedSettings({ settings, formatTarget, logger: silentLogger });
}

/** The compactor's settings; `undefined` where it is switched off. */
function settingsOf(options: DbOptions): CompactorSettings | undefined {
  const { compactor_options: settings = {} } = options.settings ?? {};
  const isOff = options.compactor === "off" || settings === null;
  return isOff ? undefined : settings as CompactorSettings;
}

/**
 * What a database's options say about its compactions, wherever those run.
 *
 * @param options Components.
 * @param settings Settings.
 * @returns What jobs are made of, as far as options name it.
 */
export function jobComponentsOf(
  options: DbOptions,
  settings: ResolvedSettings,
): Pick<
  JobComponents,
  | "manifestChecksum"
  | "encoding"
  | "filterPolicies"
  | "transformer"
  | "mergeOperator"
  | "compactionFilter"
  | "threads"
  | "module"
> {
  return {
    manifestChecksum: options.manifestChecksum ?? true,
    encoding: encodingOf(options, settings),
    filterPolicies: options.filterPolicies,
    transformer: options.blockTransformer,
    mergeOperator: options.mergeOperator,
    compactionFilter: options.compactionFilter,
    threads: options.compactorThreads,
    module: options.compactorModule,
  };
}

/**
 * Makes the compactor of a database that is opened as its writer.
 *
 * @param opening What the opening knows.
 * @param parts What it works beside.
 * @returns The compactor, at rest; `undefined` where it is switched off.
 * @throws {DbError} Kind `"invalid"` if one of its settings is.
 */
export function openDbCompactor(
  opening: Opening,
  parts: CompactingParts,
): Compactor | undefined {
  const { options, settings, logger } = opening;
  const { compactor: execution = "inline" } = options;
  const compactorSettings = settingsOf(options);
  if (execution === "off" || compactorSettings === undefined) return undefined;
  const { manifest, state, flusher } = parts;
  const compactor = openCompactor({
    kernel: opening.kernel,
    runtime: opening.runtime,
    logger,
    recorder: opening.recorder,
    store: opening.storesOf("compactor").store,
    root: opening.root,
    ...jobComponentsOf(options, settings),
    execution,
    settings: compactorSettings,
    formatTarget: options.formatTarget ?? "interop",
    scheduler: options.compactionScheduler,
    engine: {
      oldestReader: () => ({
        seq: state.snapshots.oldestSeq,
        clockMs: state.snapshots.oldestClockMs,
      }),
      latestManifest: () => manifest.latest,
      onTreeChanged: () => flusher.look(),
    },
    onFailure: (error) =>
      logger.error(
        `the compactor has ended, nothing is compacted any more: ${error.message}`,
      ),
  });
  opening.isBusy = () => compactor.isBusy;
  state.onInstalled = () => compactor.poke();
  return compactor;
}
