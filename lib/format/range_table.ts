/**
 * Key ranges in FlatBuffers.
 *
 * @module
 */
import type { Builder } from "flatbuffers";
import { compareBytes } from "../base/bytes.ts";
import type { KeyBound, KeyRange } from "../base/key_range.ts";
import type { FlatTable } from "./flatbuffer_reader.ts";
import { writeBytes, writeTable } from "./flatbuffer_writer.ts";

const UNBOUNDED = 1;
const INCLUDED = 2;
const EXCLUDED = 3;

/**
 * Reads a range.
 *
 * @param table Its table.
 * @returns The range; its keys are copies.
 * @throws {DbError} Kind `"data"` if a bound makes no sense, or if the range
 * ends before it starts.
 */
export function readRange(table: FlatTable): KeyRange {
  const lower = readBound(table.required(table.table(0), "a range's start"));
  const upper = readBound(table.required(table.table(1), "a range's end"));
  if (
    lower !== undefined && upper !== undefined &&
    compareBytes(lower.key, upper.key) > 0
  ) {
    throw table.damage("a range that ends before it starts");
  }
  return {
    ...(lower === undefined ? {} : { lower }),
    ...(upper === undefined ? {} : { upper }),
  };
}

function readBound(table: FlatTable): KeyBound | undefined {
  const type = table.u8(1);
  if (type === UNBOUNDED) return undefined;
  const key = table.bytes(0);
  if (key === undefined || (type !== INCLUDED && type !== EXCLUDED)) {
    throw table.damage("a bound of a range");
  }
  return { key: key.slice(), inclusive: type === INCLUDED };
}

/**
 * Writes a range.
 *
 * @param builder Where to.
 * @param range The range.
 * @returns Its table.
 */
export function writeRange(builder: Builder, range: KeyRange): number {
  const lower = writeBound(builder, range.lower);
  const upper = writeBound(builder, range.upper);
  return writeTable(builder, [[0, "ref", lower], [1, "ref", upper]]);
}

function writeBound(builder: Builder, bound: KeyBound | undefined): number {
  const key = writeBytes(builder, bound?.key);
  const type = bound === undefined
    ? UNBOUNDED
    : bound.inclusive
    ? INCLUDED
    : EXCLUDED;
  return writeTable(builder, [[0, "ref", key], [1, "u8", type]]);
}
