/**
 * What sets WAL files apart from other SSTs: fences, and separators made of seqs.
 *
 * A WAL file is an SST of type `wal`: rows in the order of writes, `firstEntry`
 * the seq of its first row, no last entry, filter or stats. A fence is a file
 * without rows that a writer puts in order to stop the one before it.
 *
 * @module
 */
import { fromHex } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import { dataEnd, type SstInfo } from "./sst_info.ts";
import { decodeSstFooter, decodeSstTail, FOOTER_BYTES } from "./sst_layout.ts";

const SEQ_BYTES = 8;

/**
 * The fence of SlateDB 0.12, which 0.15 accepts too: an SST of the tree's type
 * without rows. Where 0.15 itself would put an object without bytes, 0.12 could
 * no longer open the database.
 */
export const FENCE_FILE: Uint8Array = fence([
  "0c0000000000060008000400060000000400000000000000177e6f0a",
  "080000000400040004000000ed606b2a",
  "1c00000018001c00000000000400000000000000000000000c00140018000000",
  "1c000000000000001c0000000000000010000000000000006441",
  "3efa000000000000002c0002",
]);

function fence(parts: readonly string[]): Uint8Array {
  const bytes = fromHex(parts.join(""));
  if (bytes === undefined) throw new DbError("internal", "fence is not hex");
  return bytes;
}

/**
 * Whether an SST has no data blocks; a WAL file without any is a fence.
 *
 * @param info The SST's info.
 * @returns Whether it has none.
 */
export function hasNoBlocks(info: SstInfo): boolean {
  return dataEnd(info) === 0;
}

/**
 * Whether a WAL file is a fence: no bytes at all, or an SST without rows.
 *
 * @param bytes The whole object.
 * @returns Whether it is.
 * @throws {DbError} Kind `"data"` if it is neither empty nor an SST.
 */
export function isFence(bytes: Uint8Array): boolean {
  if (bytes.length === 0) return true;
  const footerOffset = bytes.length - FOOTER_BYTES;
  const { metaOffset } = decodeSstFooter(
    bytes.subarray(Math.max(0, footerOffset)),
  );
  if (metaOffset > footerOffset) {
    throw new DbError("data", "The SST is cut short");
  }
  return hasNoBlocks(decodeSstTail(bytes.subarray(metaOffset)));
}

/**
 * The separator of a block of a WAL file.
 *
 * @param seq Seq of the block's first row.
 * @returns 8 bytes, big-endian.
 */
export function encodeSeqKey(seq: bigint): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(SEQ_BYTES);
  new DataView(key.buffer).setBigUint64(0, seq);
  return key;
}

/**
 * The inverse of {@linkcode encodeSeqKey}.
 *
 * @param key A separator, or the first entry of a WAL file.
 * @returns The seq.
 * @throws {DbError} Kind `"data"` if the key has not 8 bytes.
 */
export function decodeSeqKey(key: Uint8Array): bigint {
  if (key.length !== SEQ_BYTES) {
    throw new DbError(
      "data",
      `The WAL file is damaged: a seq has ${key.length} bytes`,
    );
  }
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  return view.getBigUint64(0);
}
