/**
 * A manifest as JSON, for people and scripts.
 *
 * @module
 */
import { toHex } from "../base/bytes.ts";
import type { KeyBound, KeyRange } from "../base/key_range.ts";
import type { Manifest, SstHandle, Tree } from "./manifest.ts";

/** A JSON value. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [name: string]: Json };

/**
 * Shows a manifest. Names are those of the file format, byte strings are
 * hexadecimal, integers beyond 2^53 - 1 are strings.
 *
 * @param manifest The manifest.
 * @returns A value for `JSON.stringify`.
 */
export function manifestToJson(manifest: Manifest): Json {
  return {
    manifest_id: manifest.id,
    initialized: manifest.initialized,
    writer_epoch: manifest.writerEpoch,
    compactor_epoch: manifest.compactorEpoch,
    replay_after_wal_id: manifest.replayAfterWalId,
    wal_id_last_seen: manifest.nextWalId - 1,
    last_l0_seq: integer(manifest.lastL0Seq),
    last_l0_clock_tick: integer(manifest.lastL0ClockTick),
    recent_snapshot_min_seq: integer(manifest.recentSnapshotMinSeq),
    ...treeToJson(manifest.tree),
    segments: manifest.segments.map((segment) => ({
      prefix: toHex(segment.prefix),
      ...treeToJson(segment),
    })),
    segment_extractor_name: manifest.segmentExtractorName ?? null,
    checkpoints: manifest.checkpoints.map((checkpoint) => ({
      id: checkpoint.id,
      manifest_id: checkpoint.manifestId,
      create_time_s: checkpoint.createTimeS,
      expire_time_s: checkpoint.expireTimeS ?? null,
      name: checkpoint.name ?? null,
    })),
    external_dbs: manifest.externalDbs.map((db) => ({
      path: db.path,
      source_checkpoint_id: db.sourceCheckpointId,
      final_checkpoint_id: db.finalCheckpointId ?? null,
      sst_ids: db.sstIds,
    })),
    wal_object_store_uri: manifest.walObjectStoreUri ?? null,
    sequence_tracker: hexOrNull(manifest.sequenceTracker),
  };
}

function treeToJson(tree: Tree): { [name: string]: Json } {
  return {
    last_compacted_l0_sst_view_id: tree.lastCompactedL0 ?? null,
    l0: tree.l0.map(handleToJson),
    compacted: tree.runs.map((run) => ({
      id: run.id,
      ssts: run.ssts.map(handleToJson),
    })),
  };
}

function handleToJson({ id, viewId, info, ...handle }: SstHandle): Json {
  return {
    id,
    view_id: viewId,
    format_version: handle.formatVersion,
    visible_range: handle.visibleRange === undefined
      ? null
      : rangeToJson(handle.visibleRange),
    first_entry: hexOrNull(info.firstEntry),
    last_entry: hexOrNull(info.lastEntry),
    index_offset: info.indexOffset,
    index_len: info.indexBytes,
    filter_offset: info.filterOffset,
    filter_len: info.filterBytes,
    stats_offset: info.statsOffset,
    stats_len: info.statsBytes,
    compression_format: info.compression,
    sst_type: info.sstType,
    filter_format: info.filterFormat,
  };
}

function rangeToJson(range: KeyRange): Json {
  return {
    start: boundToJson(range.lower),
    end: boundToJson(range.upper),
  };
}

function boundToJson(bound: KeyBound | undefined): Json {
  if (bound === undefined) return null;
  return { key: toHex(bound.key), inclusive: bound.inclusive };
}

function hexOrNull(bytes: Uint8Array | undefined): Json {
  return bytes === undefined ? null : toHex(bytes);
}

function integer(value: bigint): Json {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}
