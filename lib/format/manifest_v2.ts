/**
 * Manifests of version 2: a list of SSTs, and trees of views of them, one tree
 * outside segments and one per segment.
 *
 * @module
 */
import { Builder } from "flatbuffers";
import { compareBytes } from "../base/bytes.ts";
import {
  readCheckpoints,
  readExternalDbs,
  writeCheckpoints,
  writeExternalDbs,
} from "./checkpoint_table.ts";
import { FlatTable } from "./flatbuffer_reader.ts";
import {
  finishBuffer,
  type Ref,
  writeBytes,
  writeRefs,
  writeTable,
  writeText,
} from "./flatbuffer_writer.ts";
import { readUlid, writeUlid } from "./id_table.ts";
import type { Manifest, Segment, SstHandle, Tree } from "./manifest.ts";
import {
  readSst,
  readViews,
  writeSst,
  writeViews,
} from "./sst_handle_table.ts";

/** A tree whose parts are written. */
interface TreeRefs {
  readonly l0: number;
  readonly lastCompactedL0: Ref;
  readonly runs: number;
}

/**
 * Encodes a manifest. A separate WAL store cannot be expressed.
 *
 * @param manifest The manifest.
 * @returns A FlatBuffer.
 */
export function encodeManifestV2(manifest: Manifest): Uint8Array {
  const builder = new Builder(1024);
  const sstRefs = listSsts(manifest).map((sst) => writeSst(builder, sst));
  const ssts = writeRefs(builder, sstRefs);
  const tree = writeTree(builder, manifest.tree);
  const segmentRefs = manifest.segments.map((segment) =>
    writeSegment(builder, segment)
  );
  const segments = writeRefs(builder, segmentRefs);
  const extractor = writeText(builder, manifest.segmentExtractorName);
  const checkpoints = writeCheckpoints(builder, manifest.checkpoints);
  const externalDbs = writeExternalDbs(builder, manifest.externalDbs);
  const tracker = writeBytes(builder, manifest.sequenceTracker);
  const root = writeTable(builder, [
    [1, "ref", externalDbs],
    [2, "u8", manifest.initialized ? 1 : 0],
    [3, "u64", manifest.writerEpoch],
    [4, "u64", manifest.compactorEpoch],
    [5, "u64", manifest.replayAfterWalId],
    [6, "u64", manifest.nextWalId - 1],
    [7, "ref", tree.lastCompactedL0],
    [8, "ref", ssts],
    [9, "ref", tree.l0],
    [10, "ref", tree.runs],
    [11, "i64", manifest.lastL0ClockTick],
    [12, "ref", checkpoints],
    [13, "u64", manifest.lastL0Seq],
    [14, "u64", manifest.recentSnapshotMinSeq],
    [15, "ref", tracker],
    [16, "ref", segments],
    [17, "ref", extractor],
  ]);
  return finishBuffer(builder, root);
}

/** Every SST once, ascending by id. */
function listSsts(manifest: Manifest): SstHandle[] {
  const byId = new Map<string, SstHandle>();
  for (const tree of [manifest.tree, ...manifest.segments]) {
    const runs = tree.runs.flatMap((run) => run.ssts);
    for (const handle of [...tree.l0, ...runs]) {
      if (!byId.has(handle.id)) byId.set(handle.id, handle);
    }
  }
  return [...byId.values()].sort((a, b) => a.id < b.id ? -1 : 1);
}

function writeTree(builder: Builder, tree: Tree): TreeRefs {
  const l0 = writeViews(builder, tree.l0);
  const lastCompactedL0 = tree.lastCompactedL0 === undefined
    ? undefined
    : writeUlid(builder, tree.lastCompactedL0);
  const runRefs = tree.runs.map((run) => {
    const ssts = writeViews(builder, run.ssts);
    return writeTable(builder, [[0, "u32", run.id], [1, "ref", ssts]]);
  });
  return { l0, lastCompactedL0, runs: writeRefs(builder, runRefs) };
}

function writeSegment(builder: Builder, segment: Segment): number {
  const prefix = writeBytes(builder, segment.prefix);
  const tree = writeTree(builder, segment);
  return writeTable(builder, [
    [0, "ref", prefix],
    [1, "ref", tree.lastCompactedL0],
    [2, "ref", tree.l0],
    [3, "ref", tree.runs],
  ]);
}

/**
 * The inverse of {@linkcode encodeManifestV2}.
 *
 * @param id From the file name.
 * @param bytes A FlatBuffer.
 * @returns The manifest.
 * @throws {DbError} Kind `"data"` if it is damaged.
 */
export function decodeManifestV2(id: number, bytes: Uint8Array): Manifest {
  const root = FlatTable.root(bytes, "manifest");
  const ssts = new Map<string, SstHandle>();
  for (const table of root.required(root.tables(8), "the list of SSTs")) {
    const sst = readSst(table, 2);
    ssts.set(sst.id, sst);
  }
  const segments = (root.tables(16) ?? []).map((table) =>
    readSegment(table, ssts)
  );
  const checkpoints = root.required(root.tables(12), "the list of checkpoints");
  const sequenceTracker = root.bytes(15)?.slice();
  const segmentExtractorName = root.text(17);
  return {
    id,
    initialized: root.u8(2) !== 0,
    writerEpoch: root.size(3),
    compactorEpoch: root.size(4),
    replayAfterWalId: root.size(5),
    nextWalId: root.size(6) + 1,
    tree: readTree(root, { lastCompactedL0: 7, l0: 9, runs: 10 }, ssts),
    segments: segments.sort((a, b) => compareBytes(a.prefix, b.prefix)),
    ...(segmentExtractorName === undefined ? {} : { segmentExtractorName }),
    lastL0ClockTick: root.i64(11),
    lastL0Seq: root.u64(13),
    recentSnapshotMinSeq: root.u64(14),
    ...(sequenceTracker === undefined ? {} : { sequenceTracker }),
    checkpoints: readCheckpoints(checkpoints),
    externalDbs: readExternalDbs(root.tables(1)),
  };
}

function readSegment(
  table: FlatTable,
  ssts: ReadonlyMap<string, SstHandle>,
): Segment {
  const prefix = table.required(table.bytes(0), "a segment's prefix").slice();
  const slots = { lastCompactedL0: 1, l0: 2, runs: 3 };
  return { prefix, ...readTree(table, slots, ssts) };
}

function readTree(
  table: FlatTable,
  slots: { lastCompactedL0: number; l0: number; runs: number },
  ssts: ReadonlyMap<string, SstHandle>,
): Tree {
  const lastCompactedL0 = table.table(slots.lastCompactedL0);
  const l0 = table.required(table.tables(slots.l0), "L0");
  const runs = table.required(table.tables(slots.runs), "the list of runs");
  return {
    l0: readViews(l0, ssts),
    runs: runs.map((run) => ({
      id: run.u32(0),
      ssts: readViews(run.required(run.tables(1), "a run's SSTs"), ssts),
    })),
    ...(lastCompactedL0 === undefined
      ? {}
      : { lastCompactedL0: readUlid(lastCompactedL0) }),
  };
}
