/**
 * Operations as data: one language for the model, for Shale, and for the judges
 * that run SlateDB itself. It is the language of the fixtures' `ops.jsonl`;
 * keys and values are lower-case hexadecimal, whose order is that of the bytes.
 *
 * @module
 */

import { Buffer } from "node:buffer";

/** A write of one row, alone or inside a batch. */
export interface RowOp {
  readonly op: "put" | "merge" | "delete";
  /** Key in hex. */
  readonly k: string;
  /** Value or operand in hex; absent for a delete. */
  readonly v?: string;
  /** Milliseconds to live. */
  readonly ttl?: number;
  /** Milliseconds since the epoch from which the row is gone. */
  readonly expire_at?: number;
  /** Sequence number chosen by the caller; not inside a batch. */
  readonly seq?: number;
}

/** One operation on a database. */
export type Op =
  | RowOp
  | { readonly op: "batch"; readonly rows: readonly RowOp[]; seq?: number }
  | { readonly op: "flush_wal" }
  | { readonly op: "flush_mem" }
  | { readonly op: "sleep"; readonly ms: number };

/** A visible row, as `expected.jsonl` and the judges print it. */
export interface RowLine {
  readonly k: string;
  readonly v: string;
  readonly seq: number;
  readonly create_ts: number;
  readonly expire_ts: number | null;
}

/** Hex of a text or of bytes. */
export function hex(value: string | Uint8Array): string {
  return Buffer.from(value).toString("hex");
}

/** The bytes of a hex text. */
export function unhex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "hex"));
}
