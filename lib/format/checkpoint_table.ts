/**
 * Checkpoints and external databases in FlatBuffers; the same in manifests of
 * both versions.
 *
 * @module
 */
import type { Builder } from "flatbuffers";
import type { FlatTable } from "./flatbuffer_reader.ts";
import {
  type Ref,
  writeRefs,
  writeTable,
  writeText,
} from "./flatbuffer_writer.ts";
import { readUlids, readUuid, writeUlids, writeUuid } from "./id_table.ts";
import type { Checkpoint, ExternalDb } from "./manifest.ts";

/** The only metadata a checkpoint may have: the epoch of its writer. */
const WRITER_METADATA = 1;

/**
 * Reads a vector of checkpoints.
 *
 * @param tables Their tables.
 * @returns The checkpoints.
 */
export function readCheckpoints(tables: readonly FlatTable[]): Checkpoint[] {
  return tables.map((table) => {
    const expireTimeS = table.u32(2);
    const name = table.text(6);
    const writer = table.u8(4) === WRITER_METADATA ? table.table(5) : undefined;
    return {
      id: readUuid(table.required(table.table(0), "a checkpoint's id")),
      manifestId: table.size(1),
      expireTimeS: expireTimeS === 0 ? undefined : expireTimeS,
      createTimeS: table.u32(3),
      ...(name === undefined ? {} : { name }),
      ...(writer === undefined ? {} : { writerEpoch: writer.size(0) }),
    };
  });
}

/**
 * Writes a vector of checkpoints.
 *
 * @param builder Where to.
 * @param checkpoints The checkpoints.
 * @returns The vector.
 */
export function writeCheckpoints(
  builder: Builder,
  checkpoints: readonly Checkpoint[],
): number {
  const refs = checkpoints.map((checkpoint) => {
    const id = writeUuid(builder, checkpoint.id);
    const name = writeText(builder, checkpoint.name);
    const { writerEpoch } = checkpoint;
    const writer = writerEpoch === undefined
      ? undefined
      : writeTable(builder, [[0, "u64", writerEpoch]]);
    return writeTable(builder, [
      [0, "ref", id],
      [1, "u64", checkpoint.manifestId],
      [2, "u32", checkpoint.expireTimeS ?? 0],
      [3, "u32", checkpoint.createTimeS],
      [4, "u8", writer === undefined ? 0 : WRITER_METADATA],
      [5, "ref", writer],
      [6, "ref", name],
    ]);
  });
  return writeRefs(builder, refs);
}

/**
 * Reads a vector of external databases.
 *
 * @param tables Their tables, if there are any.
 * @returns The databases.
 */
export function readExternalDbs(
  tables: readonly FlatTable[] | undefined,
): ExternalDb[] {
  return (tables ?? []).map((table) => {
    const source = table.required(table.table(1), "a source checkpoint");
    const final = table.table(2);
    return {
      path: table.required(table.text(0), "an external database's path"),
      sourceCheckpointId: readUuid(source),
      ...(final === undefined ? {} : { finalCheckpointId: readUuid(final) }),
      sstIds: readUlids(table.required(table.tables(3), "external SSTs")),
    };
  });
}

/**
 * Writes a vector of external databases; no vector where there are none.
 *
 * @param builder Where to.
 * @param externalDbs The databases.
 * @returns The vector.
 */
export function writeExternalDbs(
  builder: Builder,
  externalDbs: readonly ExternalDb[],
): Ref {
  if (externalDbs.length === 0) return undefined;
  const refs = externalDbs.map((db) => {
    const path = writeText(builder, db.path);
    const source = writeUuid(builder, db.sourceCheckpointId);
    const final = writeUuid(builder, db.finalCheckpointId);
    const sstIds = writeUlids(builder, db.sstIds);
    return writeTable(builder, [
      [0, "ref", path],
      [1, "ref", source],
      [2, "ref", final],
      [3, "ref", sstIds],
    ]);
  });
  return writeRefs(builder, refs);
}
