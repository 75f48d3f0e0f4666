/**
 * Manifests of version 1: every entry of the one tree holds its SST's info.
 *
 * @module
 */
import { Builder } from "flatbuffers";
import {
  readCheckpoints,
  readExternalDbs,
  writeCheckpoints,
  writeExternalDbs,
} from "./checkpoint_table.ts";
import { FlatTable } from "./flatbuffer_reader.ts";
import {
  finishBuffer,
  writeBytes,
  writeRefs,
  writeTable,
  writeText,
} from "./flatbuffer_writer.ts";
import { readUlid, writeUlid } from "./id_table.ts";
import type { Manifest, SortedRun } from "./manifest.ts";
import { readHandles, writeHandles } from "./sst_handle_table.ts";

/**
 * Encodes a manifest without segments.
 *
 * @param manifest The manifest.
 * @returns A FlatBuffer.
 */
export function encodeManifestV1(manifest: Manifest): Uint8Array {
  const builder = new Builder(1024);
  const { l0, runs, lastCompactedL0 } = manifest.tree;
  const l0Ref = writeHandles(builder, l0);
  const lastCompactedRef = lastCompactedL0 === undefined
    ? undefined
    : writeUlid(builder, lastCompactedL0);
  const runRefs = runs.map((run) => {
    const ssts = writeHandles(builder, run.ssts);
    return writeTable(builder, [[0, "u32", run.id], [1, "ref", ssts]]);
  });
  const runsRef = writeRefs(builder, runRefs);
  const checkpoints = writeCheckpoints(builder, manifest.checkpoints);
  const externalDbs = writeExternalDbs(builder, manifest.externalDbs);
  const walUri = writeText(builder, manifest.walObjectStoreUri);
  const tracker = writeBytes(builder, manifest.sequenceTracker);
  const root = writeTable(builder, [
    [1, "ref", externalDbs],
    [2, "u8", manifest.initialized ? 1 : 0],
    [3, "u64", manifest.writerEpoch],
    [4, "u64", manifest.compactorEpoch],
    [5, "u64", manifest.replayAfterWalId],
    [6, "u64", manifest.nextWalId - 1],
    [7, "ref", lastCompactedRef],
    [8, "ref", l0Ref],
    [9, "ref", runsRef],
    [10, "i64", manifest.lastL0ClockTick],
    [11, "ref", checkpoints],
    [12, "u64", manifest.lastL0Seq],
    [13, "ref", walUri],
    [14, "u64", manifest.recentSnapshotMinSeq],
    [15, "ref", tracker],
  ]);
  return finishBuffer(builder, root);
}

/**
 * The inverse of {@linkcode encodeManifestV1}.
 *
 * @param id From the file name.
 * @param bytes A FlatBuffer.
 * @returns The manifest.
 * @throws {DbError} Kind `"data"` if it is damaged.
 */
export function decodeManifestV1(id: number, bytes: Uint8Array): Manifest {
  const root = FlatTable.root(bytes, "manifest");
  const lastCompactedL0 = root.table(7);
  const l0 = readHandles(root.required(root.tables(8), "L0"));
  const runs = root.required(root.tables(9), "the list of runs").map(readRun);
  const checkpoints = root.required(root.tables(11), "the list of checkpoints");
  const walObjectStoreUri = root.text(13);
  const sequenceTracker = root.bytes(15)?.slice();
  return {
    id,
    initialized: root.u8(2) !== 0,
    writerEpoch: root.size(3),
    compactorEpoch: root.size(4),
    replayAfterWalId: root.size(5),
    nextWalId: root.size(6) + 1,
    tree: {
      l0,
      runs,
      ...(lastCompactedL0 === undefined
        ? {}
        : { lastCompactedL0: readUlid(lastCompactedL0) }),
    },
    segments: [],
    lastL0ClockTick: root.i64(10),
    lastL0Seq: root.u64(12),
    recentSnapshotMinSeq: root.u64(14),
    ...(sequenceTracker === undefined ? {} : { sequenceTracker }),
    checkpoints: readCheckpoints(checkpoints),
    externalDbs: readExternalDbs(root.tables(1)),
    ...(walObjectStoreUri === undefined ? {} : { walObjectStoreUri }),
  };
}

function readRun(table: FlatTable): SortedRun {
  const ssts = table.required(table.tables(1), "a run's SSTs");
  return { id: table.u32(0), ssts: readHandles(ssts) };
}
