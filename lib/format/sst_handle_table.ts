/**
 * SST handles in FlatBuffers: whole ones, as manifests of version 1 and
 * compactions files hold them, and the parts that manifests of version 2 split
 * them into.
 *
 * @module
 */
import type { Builder } from "flatbuffers";
import type { KeyRange } from "../base/key_range.ts";
import type { FlatTable } from "./flatbuffer_reader.ts";
import { type Ref, writeRefs, writeTable } from "./flatbuffer_writer.ts";
import { readUlid, writeUlid } from "./id_table.ts";
import type { SstHandle } from "./manifest.ts";
import { readRange, writeRange } from "./range_table.ts";
import { readSstInfo, validateSstInfo, writeSstInfo } from "./sst_info.ts";
import type { FormatVersion } from "./sst_layout.ts";

/** What an absent version means. */
const ORIGINAL_VERSION = 1;

/**
 * Reads a vector of whole handles. They have no view ids: a view goes by the id
 * of its SST.
 *
 * @param tables Their tables.
 * @returns The handles.
 */
export function readHandles(
  tables: readonly FlatTable[] | undefined,
): SstHandle[] {
  return (tables ?? []).map((table) => {
    const visibleRange = readOptionalRange(table, 2);
    return {
      ...readSst(table, 3),
      ...(visibleRange === undefined ? {} : { visibleRange }),
    };
  });
}

/**
 * Writes a vector of whole handles.
 *
 * @param builder Where to.
 * @param handles The handles.
 * @returns The vector.
 */
export function writeHandles(
  builder: Builder,
  handles: readonly SstHandle[],
): number {
  const refs = handles.map((handle) => {
    const id = writeUlid(builder, handle.id);
    const info = writeSstInfo(builder, handle.info);
    const range = writeOptionalRange(builder, handle.visibleRange);
    return writeTable(builder, [
      [0, "ref", id],
      [1, "ref", info],
      [2, "ref", range],
      [3, "u16", handle.formatVersion],
    ]);
  });
  return writeRefs(builder, refs);
}

/**
 * Reads an SST apart from any view of it.
 *
 * @param table Its table.
 * @param versionSlot Where the table has the format version.
 * @returns A handle that shows all keys.
 */
export function readSst(table: FlatTable, versionSlot: number): SstHandle {
  const id = readUlid(table.required(table.table(0), "an SST's id"));
  const info = readSstInfo(table.required(table.table(1), "an SST's info"));
  // The SST itself is not at hand, but its sections must have an order.
  validateSstInfo(info, Infinity);
  const formatVersion = readFormatVersion(table, versionSlot);
  return { id, info, formatVersion, viewId: id };
}

function readFormatVersion(table: FlatTable, slot: number): FormatVersion {
  const version = table.has(slot) ? table.u16(slot) : ORIGINAL_VERSION;
  if (version !== 1 && version !== 2) {
    throw table.damage(`unknown SST version ${version}`);
  }
  return version;
}

/**
 * Writes an SST apart from any view of it.
 *
 * @param builder Where to.
 * @param handle A handle of the SST.
 * @returns The table.
 */
export function writeSst(builder: Builder, handle: SstHandle): number {
  const id = writeUlid(builder, handle.id);
  const info = writeSstInfo(builder, handle.info);
  return writeTable(builder, [
    [0, "ref", id],
    [1, "ref", info],
    [2, "u16", handle.formatVersion],
  ]);
}

/**
 * Reads a vector of views.
 *
 * @param tables Their tables.
 * @param ssts The SSTs by id.
 * @returns The handles.
 */
export function readViews(
  tables: readonly FlatTable[],
  ssts: ReadonlyMap<string, SstHandle>,
): SstHandle[] {
  return tables.map((table) => {
    const viewId = readUlid(table.required(table.table(0), "a view's id"));
    const id = readUlid(table.required(table.table(1), "a view's SST"));
    const sst = ssts.get(id);
    if (sst === undefined) {
      throw table.damage(`a view of SST ${id}, which is not listed`);
    }
    const visibleRange = readOptionalRange(table, 2);
    return {
      ...sst,
      viewId,
      ...(visibleRange === undefined ? {} : { visibleRange }),
    };
  });
}

/**
 * Writes a vector of views.
 *
 * @param builder Where to.
 * @param handles The handles.
 * @returns The vector.
 */
export function writeViews(
  builder: Builder,
  handles: readonly SstHandle[],
): number {
  const refs = handles.map((handle) => {
    const sstId = writeUlid(builder, handle.id);
    const range = writeOptionalRange(builder, handle.visibleRange);
    const id = writeUlid(builder, handle.viewId);
    return writeTable(builder, [
      [0, "ref", id],
      [1, "ref", sstId],
      [2, "ref", range],
    ]);
  });
  return writeRefs(builder, refs);
}

function readOptionalRange(
  table: FlatTable,
  slot: number,
): KeyRange | undefined {
  const range = table.table(slot);
  return range === undefined ? undefined : readRange(range);
}

function writeOptionalRange(
  builder: Builder,
  range: KeyRange | undefined,
): Ref {
  return range === undefined ? undefined : writeRange(builder, range);
}
