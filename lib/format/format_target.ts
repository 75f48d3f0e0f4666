/**
 * Which encodings new files use. Files of every target are read, whatever this
 * says, and a database may have files of several.
 *
 * @module
 */
import type { FilterFormat } from "./sst_info.ts";
import { FENCE_FILE } from "./wal_file.ts";

/**
 * Which versions of SlateDB must be able to read what is written: `"interop"` is
 * every one since 0.12, `"0.15"` that one and later ones, which alone know
 * segments and filters of prefixes.
 */
export type FormatTarget = "interop" | "0.15";

/** The encodings that targets differ in. */
export interface FormatProfile {
  /** How filters are laid out. */
  readonly filterFormat: FilterFormat;
  /** The WAL file that a new writer puts in order to stop the one before it. */
  readonly fence: Uint8Array;
  /** Version of the compactor's files. */
  readonly compactionsVersion: 1 | 2;
}

/** The encodings of each target. */
export const FORMAT_PROFILES: Readonly<Record<FormatTarget, FormatProfile>> = {
  "interop": {
    filterFormat: "legacy",
    fence: FENCE_FILE,
    compactionsVersion: 1,
  },
  "0.15": {
    filterFormat: "composite",
    fence: new Uint8Array(0),
    compactionsVersion: 2,
  },
};
