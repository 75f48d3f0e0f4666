/**
 * Kinds of calls that tests hold back or count.
 *
 * @module
 */
import type { StoreCall } from "../../lib/testing/mod.ts";

/** Whether a call writes a WAL file. */
export function isWalPut({ operation, name }: StoreCall): boolean {
  return operation === "put" && name.includes("/wal/");
}

/** Whether a call writes an SST. */
export function isSstPut({ operation, name }: StoreCall): boolean {
  return operation === "put" && name.includes("/compacted/");
}

/** Whether a call reads from an SST. */
export function isSstGet({ operation, name }: StoreCall): boolean {
  return operation === "get" && name.includes("/compacted/");
}

/** Whether a call writes a manifest. */
export function isManifestPut({ operation, name }: StoreCall): boolean {
  return operation === "put" && name.includes("/manifest/");
}
