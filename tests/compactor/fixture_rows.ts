/**
 * Everything a database shows, as text that can be compared.
 *
 * @module
 */
import type { Db } from "../../mod.ts";
import { toHex } from "../../lib/base/bytes.ts";

/** Every entry of a scan, with all that is known of it. */
export async function hexRows(db: Db): Promise<string[]> {
  const rows: string[] = [];
  for await (const { key, value, seq, createTs, expireTs } of db.scan()) {
    rows.push(
      `${toHex(key)}=${toHex(value)}@${seq} ${createTs} ${expireTs ?? ""}`,
    );
  }
  return rows;
}
