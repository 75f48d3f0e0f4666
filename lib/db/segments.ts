/**
 * Segments where they meet the rest of a database: at its opening, and in its
 * status.
 *
 * @module
 */
import { compareBytes, equalBytes, showKey } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import type { Kernel } from "../codec/kernel.ts";
import type { Manifest } from "../format/manifest.ts";
import type { LsmView } from "../lsm/lsm_view.ts";
import { segmentsOf } from "../lsm/segments.ts";
import {
  type PrefixExtractor,
  prefixLengthOf,
} from "../sst/prefix_extractor.ts";

/**
 * Makes sure that a database is opened with the extractor that it was made with.
 *
 * @param manifest The database.
 * @param extractor What the caller gave.
 * @throws {DbError} Kind `"invalid"` if it is another one, or does not find the segments that are stored.
 */
export function checkSegments(
  manifest: Manifest,
  extractor: PrefixExtractor | undefined,
): void {
  const { segmentExtractorName: stored, segments } = manifest;
  const segmented = stored !== undefined || segments.length > 0;
  if (!segmented && extractor !== undefined) {
    throw new DbError(
      "invalid",
      "the database has no segments, which it can only be made with: leave out option 'segmentExtractor'",
    );
  }
  if (!segmented) return;
  if (
    extractor === undefined || extractor.name !== (stored ?? extractor.name)
  ) {
    const given = extractor === undefined ? "" : `, not "${extractor.name}"`;
    throw new DbError(
      "invalid",
      `the database is segmented by extractor "${
        stored ?? ""
      }": give it as option 'segmentExtractor'${given}`,
    );
  }
  for (const { prefix } of segments) {
    // It must be the prefix of every key that begins with it.
    if (prefixLengthOf(extractor, prefix, "prefix") === prefix.length) continue;
    throw new DbError(
      "invalid",
      `extractor "${extractor.name}" does not find segment ${
        showKey(prefix)
      }, which the database has: it must answer as it did when that was written`,
    );
  }
}

/**
 * The prefixes of all segments of a view, stored and in memory.
 *
 * @param kernel Where memtables live.
 * @param view The view.
 * @param extractor Assigns keys to segments; without one there are none.
 * @returns Ascending, each once.
 */
export function prefixesOf(
  kernel: Kernel,
  view: LsmView,
  extractor: PrefixExtractor | undefined,
): Uint8Array[] {
  if (extractor === undefined) return [];
  const memtables = [
    view.active,
    ...view.frozen.map(({ memtable }) => memtable),
  ];
  const all = [
    ...view.segments.map(({ prefix }) => prefix),
    ...memtables.flatMap((memtable) => segmentsOf(kernel, memtable, extractor)),
  ].sort(compareBytes);
  return all.filter((prefix, i) => i === 0 || !equalBytes(prefix, all[i - 1]!));
}
