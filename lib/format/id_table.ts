/**
 * ULIDs and UUIDs in FlatBuffers: tables of two 64-bit halves, the high one first.
 *
 * @module
 */
import type { Builder } from "flatbuffers";
import {
  type Ulid,
  ulidFromBits,
  ulidToBits,
  type Uuid,
  uuidFromBits,
  uuidToBits,
} from "../base/ids.ts";
import type { FlatTable } from "./flatbuffer_reader.ts";
import { type Ref, writeRefs, writeTable } from "./flatbuffer_writer.ts";

const HIGH = 0;
const LOW = 1;

/**
 * Reads a ULID.
 *
 * @param table Its table.
 * @returns The text form.
 */
export function readUlid(table: FlatTable): Ulid {
  return ulidFromBits(table.u64(HIGH) << 64n | table.u64(LOW));
}

/**
 * Reads a vector of ULIDs.
 *
 * @param tables Their tables.
 * @returns The text forms.
 */
export function readUlids(tables: readonly FlatTable[] | undefined): Ulid[] {
  return (tables ?? []).map(readUlid);
}

/**
 * Reads a UUID.
 *
 * @param table Its table.
 * @returns The text form.
 */
export function readUuid(table: FlatTable): Uuid {
  return uuidFromBits(table.u64(HIGH) << 64n | table.u64(LOW));
}

/**
 * Writes a ULID.
 *
 * @param builder Where to.
 * @param ulid The text form.
 * @returns Its table.
 */
export function writeUlid(builder: Builder, ulid: Ulid): number {
  return writeBits(builder, ulidToBits(ulid));
}

/**
 * Writes a vector of ULIDs.
 *
 * @param builder Where to.
 * @param ulids The text forms.
 * @returns The vector.
 */
export function writeUlids(builder: Builder, ulids: readonly Ulid[]): number {
  return writeRefs(builder, ulids.map((ulid) => writeUlid(builder, ulid)));
}

/**
 * Writes a UUID, if there is one.
 *
 * @param builder Where to.
 * @param uuid The text form.
 * @returns Its table.
 */
export function writeUuid(builder: Builder, uuid: Uuid | undefined): Ref {
  return uuid === undefined ? undefined : writeBits(builder, uuidToBits(uuid));
}

function writeBits(builder: Builder, bits: bigint): number {
  return writeTable(builder, [
    [HIGH, "u64", bits >> 64n],
    [LOW, "u64", BigInt.asUintN(64, bits)],
  ]);
}
