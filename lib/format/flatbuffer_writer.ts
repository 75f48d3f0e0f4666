/**
 * FlatBuffers as SlateDB lays them out, on the library's `Builder`.
 *
 * Does not own any schema. A table's fields are written by descending width and,
 * within a width, by descending slot, and those with the value 0 are left out;
 * with children written in SlateDB's order the bytes are then the same as its.
 *
 * @module
 */
import type { Builder } from "flatbuffers";

/** Position of a finished table, vector or string; absent ones have none. */
export type Ref = number | undefined;

/** One field of a table: its position in the schema, its type, its value. */
export type Field =
  | readonly [slot: number, type: "u64" | "i64", value: number | bigint]
  | readonly [slot: number, type: "u32" | "u16" | "u8", value: number]
  | readonly [slot: number, type: "ref", value: Ref];

/** Tables of a vector that one step refers to. */
const STEP_REFS = 4096;

const WIDTHS = { u64: 8, i64: 8, u32: 4, ref: 4, u16: 2, u8: 1 } as const;

/**
 * Writes a table whose children are written already.
 *
 * @param builder Where to.
 * @param fields The fields that may be present, ascending by slot.
 * @returns The table.
 */
export function writeTable(builder: Builder, fields: readonly Field[]): number {
  builder.startObject(fields.at(-1)![0] + 1);
  for (let width = 8; width > 0; width >>= 1) {
    for (let i = fields.length - 1; i >= 0; i--) {
      const field = fields[i]!;
      if (WIDTHS[field[1]] === width) writeField(builder, field);
    }
  }
  return builder.endObject();
}

function writeField(builder: Builder, [slot, type, value]: Field): void {
  switch (type) {
    case "u64":
    case "i64":
      return builder.addFieldInt64(slot, BigInt(value), 0n);
    case "ref":
      return builder.addFieldOffset(slot, value ?? 0, 0);
    case "u32":
      return builder.addFieldInt32(slot, value, 0);
    case "u16":
      return builder.addFieldInt16(slot, value, 0);
    case "u8":
      return builder.addFieldInt8(slot, value, 0);
  }
}

/**
 * Writes a vector of tables.
 *
 * @param builder Where to.
 * @param refs The tables, all written already.
 * @returns The vector.
 */
export function writeRefs(builder: Builder, refs: readonly number[]): number {
  builder.startVector(4, refs.length, 4);
  for (let i = refs.length - 1; i >= 0; i--) builder.addOffset(refs[i]!);
  return builder.endVector();
}

/**
 * The same of many tables, a few thousand a step.
 *
 * @param builder Where to; nothing else may be written between the steps.
 * @param refs The tables, all written already.
 * @returns The vector.
 */
export function* writeRefsInSteps(
  builder: Builder,
  refs: readonly number[],
): Generator<void, number> {
  builder.startVector(4, refs.length, 4);
  for (let i = refs.length - 1; i >= 0; i--) {
    builder.addOffset(refs[i]!);
    if (i % STEP_REFS === 0) yield;
  }
  return builder.endVector();
}

/**
 * Takes all steps at once.
 *
 * @param steps The steps.
 * @returns Their result.
 */
export function inOneStep<Result>(steps: Generator<void, Result>): Result {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/**
 * Writes a vector of 32-bit integers.
 *
 * @param builder Where to.
 * @param values The integers.
 * @returns The vector.
 */
export function writeU32s(builder: Builder, values: readonly number[]): number {
  builder.startVector(4, values.length, 4);
  for (let i = values.length - 1; i >= 0; i--) builder.addInt32(values[i]!);
  return builder.endVector();
}

/**
 * Writes a vector of bytes, if there is one.
 *
 * @param builder Where to.
 * @param bytes The bytes.
 * @returns The vector.
 */
export function writeBytes(
  builder: Builder,
  bytes: Uint8Array | undefined,
): Ref {
  return bytes === undefined ? undefined : builder.createByteVector(bytes);
}

/**
 * Writes a string, if there is one.
 *
 * @param builder Where to.
 * @param text The text.
 * @returns The string.
 */
export function writeText(builder: Builder, text: string | undefined): Ref {
  return text === undefined ? undefined : builder.createString(text);
}

/**
 * Ends a buffer.
 *
 * @param builder Where to; not to be used again.
 * @param root Its root table.
 * @returns The buffer; a view of the builder's memory.
 */
export function finishBuffer(builder: Builder, root: number): Uint8Array {
  builder.finish(root);
  return builder.asUint8Array();
}
