/**
 * One compaction in FlatBuffers.
 *
 * @module
 */
import type { Builder } from "flatbuffers";
import { EMPTY_BYTES } from "../base/bytes.ts";
import type {
  Compaction,
  CompactionContext,
  CompactionSpec,
  CompactionStatus,
  CompactionWorker,
  TieredSpec,
} from "./compactions.ts";
import type { FlatTable } from "./flatbuffer_reader.ts";
import {
  type Ref,
  writeBytes,
  writeRefs,
  writeTable,
  writeText,
  writeU32s,
} from "./flatbuffer_writer.ts";
import { readUlid, readUlids, writeUlid, writeUlids } from "./id_table.ts";
import { readRange, writeRange } from "./range_table.ts";
import { readHandles, writeHandles } from "./sst_handle_table.ts";

const STATUSES: readonly CompactionStatus[] = [
  "submitted",
  "running",
  "completed",
  "failed",
  "compacted",
  "scheduled",
];
const TIERED = 1;
const DRAIN = 2;
const TIERED_CONTEXT = 1;

/**
 * Reads a compaction.
 *
 * @param table Its table.
 * @param version Version of the file.
 * @returns The compaction.
 * @throws {DbError} Kind `"data"` if it is damaged.
 */
export function readCompaction(table: FlatTable, version: 1 | 2): Compaction {
  const worker = readWorker(table.table(5));
  const context = readContext(table);
  return {
    id: readUlid(table.required(table.table(0), "a compaction's id")),
    spec: readSpec(table, version),
    // A status of a later release: whoever meets it starts over.
    status: STATUSES[table.u8(3)] ?? "submitted",
    outputs: readHandles(table.tables(4)),
    ...(worker === undefined ? {} : { worker }),
    ...(context === undefined ? {} : { context }),
  };
}

function readSpec(table: FlatTable, version: 1 | 2): CompactionSpec {
  const type = table.u8(1);
  const spec = table.required(table.table(2), "a compaction's spec");
  if (type === TIERED) return readTieredSpec(spec, version);
  if (type !== DRAIN) throw table.damage(`unknown kind of compaction ${type}`);
  return {
    kind: "drain",
    segment: spec.required(spec.bytes(0), "a drained segment").slice(),
    l0ViewIds: readUlids(spec.tables(1)),
    runIds: spec.u32s(2),
  };
}

function readTieredSpec(spec: FlatTable, version: 1 | 2): TieredSpec {
  const runIds = spec.u32s(1);
  // The ids stood in the first field before views had ids of their own.
  const l0ViewIds = readUlids(spec.tables(2) ?? spec.tables(0));
  const lowest = runIds.length === 0
    ? undefined
    : runIds.reduce((a, b) => Math.min(a, b));
  return {
    kind: "tiered",
    segment: spec.bytes(3)?.slice() ?? EMPTY_BYTES,
    l0ViewIds,
    runIds,
    destination: version === 1 ? lowest : spec.u32(4),
  };
}

function readWorker(
  table: FlatTable | undefined,
): CompactionWorker | undefined {
  const id = table?.text(0);
  if (table === undefined || id === undefined) return undefined;
  return { id, lastHeartbeatMs: table.size(1) };
}

function readContext(table: FlatTable): CompactionContext | undefined {
  const type = table.u8(6);
  if (type === 0) return undefined;
  if (type !== TIERED_CONTEXT) {
    throw table.damage(`unknown context of a compaction ${type}`);
  }
  const context = table.required(table.table(7), "a compaction's context");
  const subcompactions = (context.tables(0) ?? []).map((part) => ({
    range: readRange(part.required(part.table(0), "a subcompaction's range")),
    outputs: readHandles(part.tables(1)),
  }));
  return { subcompactions, retentionMinSeq: context.u64(1) };
}

/**
 * Writes a compaction.
 *
 * @param builder Where to.
 * @param compaction The compaction.
 * @param version Version of the file.
 * @returns The table.
 */
export function writeCompaction(
  builder: Builder,
  compaction: Compaction,
  version: 1 | 2,
): number {
  const { spec, worker, context, outputs } = compaction;
  const id = writeUlid(builder, compaction.id);
  const specRef = writeSpec(builder, spec, version);
  const workerRef = writeWorker(builder, worker);
  const contextRef = writeContext(builder, context);
  const outputsRef = outputs.length === 0 && version === 1
    ? undefined
    : writeHandles(builder, outputs);
  return writeTable(builder, [
    [0, "ref", id],
    [1, "u8", spec.kind === "tiered" ? TIERED : DRAIN],
    [2, "ref", specRef],
    [3, "u8", STATUSES.indexOf(statusFor(compaction, version))],
    [4, "ref", outputsRef],
    [5, "ref", workerRef],
    [6, "u8", contextRef === undefined ? 0 : TIERED_CONTEXT],
    [7, "ref", contextRef],
  ]);
}

/**
 * Version 1 does not say which run L0 alone becomes, and SlateDB takes run 0. It
 * checks that for what is submitted, as 0.12 takes everything to be once the
 * compactor is gone. 0.15 goes on with what is running unchecked: two jobs that
 * seem to make run 0 end its worker, again after each start.
 */
function statusFor(
  { spec, status }: Compaction,
  version: 1 | 2,
): CompactionStatus {
  const isVague = version === 1 && spec.kind === "tiered" &&
    spec.runIds.length === 0;
  return isVague && status === "running" ? "submitted" : status;
}

function writeSpec(
  builder: Builder,
  spec: CompactionSpec,
  version: 1 | 2,
): number {
  const l0ViewIds = spec.l0ViewIds.length === 0
    ? undefined
    : writeUlids(builder, spec.l0ViewIds);
  const runIds = spec.runIds.length === 0
    ? undefined
    : writeU32s(builder, spec.runIds);
  const segment = version === 1 ? undefined : writeBytes(builder, spec.segment);
  if (spec.kind === "drain") {
    return writeTable(builder, [
      [0, "ref", segment],
      [1, "ref", l0ViewIds],
      [2, "ref", runIds],
    ]);
  }
  return writeTable(builder, [
    [1, "ref", runIds],
    [2, "ref", l0ViewIds],
    [3, "ref", segment],
    [4, "u32", version === 1 ? 0 : spec.destination ?? 0],
  ]);
}

function writeWorker(
  builder: Builder,
  worker: CompactionWorker | undefined,
): Ref {
  if (worker === undefined) return undefined;
  const id = writeText(builder, worker.id);
  return writeTable(builder, [
    [0, "ref", id],
    [1, "u64", worker.lastHeartbeatMs],
  ]);
}

function writeContext(
  builder: Builder,
  context: CompactionContext | undefined,
): Ref {
  if (context === undefined) return undefined;
  const parts = context.subcompactions.map(({ range, outputs }) => {
    const rangeRef = writeRange(builder, range);
    const outputsRef = outputs.length === 0
      ? undefined
      : writeHandles(builder, outputs);
    return writeTable(builder, [[0, "ref", rangeRef], [1, "ref", outputsRef]]);
  });
  const subcompactions = parts.length === 0
    ? undefined
    : writeRefs(builder, parts);
  return writeTable(builder, [
    [0, "ref", subcompactions],
    [1, "u64", context.retentionMinSeq],
  ]);
}
