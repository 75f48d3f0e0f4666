/**
 * One SST, or one WAL file, as JSON values: its info, its stats, its rows.
 *
 * Reads block by block, and decodes with the kernel's TypeScript twin: what a
 * person looks at when the engine is in doubt should not be the engine.
 *
 * @module
 */
import { toHex } from "../../lib/base/bytes.ts";
import type { Row } from "../../lib/base/row.ts";
import { Kernel } from "../../lib/codec/kernel.ts";
import {
  decodeBlock,
  decodeBlockV1,
} from "../../lib/codec/reference/block_format.ts";
import { decodeIndex } from "../../lib/format/sst_index.ts";
import { dataEnd, type SstInfo } from "../../lib/format/sst_info.ts";
import {
  decodeSstFooter,
  decodeSstTail,
  FOOTER_BYTES,
} from "../../lib/format/sst_layout.ts";
import { decodeStats } from "../../lib/format/sst_stats.ts";
import { decodeSection, type SectionCoding } from "../../lib/sst/section.ts";
import { type BlockTransformer, DbError, type ObjectStore } from "../../mod.ts";
import { escapeText, jsonInteger } from "./rows.ts";

/** What to dump, and how. */
export interface DumpOptions {
  /** Where the object is. */
  readonly store: ObjectStore;
  /** Its name. */
  readonly name: string;
  /** The transformer it was written with. */
  readonly transformer: BlockTransformer | undefined;
  /** Whether keys and values are hexadecimal, or text. */
  readonly hex: boolean;
}

/**
 * Dumps an object.
 *
 * @param options What and how.
 * @returns Lines of JSON: info first, then one for each row.
 * @throws {DbError} Kind `"invalid"` if there is no such object; `"data"` if it is damaged.
 */
export async function* dumpSst(options: DumpOptions): AsyncGenerator<string> {
  const { store, name } = options;
  const meta = await store.head(name);
  if (meta === undefined) throw new DbError("invalid", `There is no ${name}`);
  if (meta.size === 0) {
    yield JSON.stringify({ object: name, bytes: 0, fence: true });
    return;
  }
  const footer = decodeSstFooter(
    await read(options, Math.max(0, meta.size - FOOTER_BYTES), meta.size),
  );
  if (footer.metaOffset > meta.size - FOOTER_BYTES) {
    throw new DbError("data", `${name} is cut short`);
  }
  const info = decodeSstTail(
    await read(options, footer.metaOffset, meta.size),
  );
  const coding: SectionCoding = {
    kernel: Kernel.reference(),
    compression: info.compression,
    transformer: options.transformer,
  };
  const section = async (what: string, start: number, length: number) => {
    const stored = await read(options, start, start + length);
    return (await decodeSection(coding, stored, what)).slice();
  };

  yield JSON.stringify({
    object: name,
    bytes: meta.size,
    version: footer.version,
    ...infoJson(info),
  });
  if (info.statsBytes > 0) {
    const stats = decodeStats(
      await section("stats", info.statsOffset, info.statsBytes),
    );
    yield JSON.stringify({
      puts: stats.puts,
      deletes: stats.deletes,
      merges: stats.merges,
      raw_key_size: stats.rawKeyBytes,
      raw_val_size: stats.rawValueBytes,
      blocks: stats.blocks.length,
    });
  }
  const end = dataEnd(info);
  const { offsets } = decodeIndex(
    await section("index", info.indexOffset, info.indexBytes),
    end,
  );
  for (let i = 0; i < offsets.length; i++) {
    const start = offsets[i]!;
    const block = await section(
      "block",
      start,
      (offsets[i + 1] ?? end) - start,
    );
    const rows = footer.version === 1
      ? decodeBlockV1(block)
      : decodeBlock(block)?.map(({ row }) => row);
    if (rows === undefined) {
      throw new DbError("data", `${name}: block ${i} is damaged`);
    }
    for (const row of rows) yield rowJson(row, options.hex);
  }
}

function infoJson(info: SstInfo): Record<string, unknown> {
  const hex = (bytes: Uint8Array | undefined) =>
    bytes === undefined ? null : toHex(bytes);
  return {
    sst_type: info.sstType,
    compression_format: info.compression,
    first_entry: hex(info.firstEntry),
    last_entry: hex(info.lastEntry),
    index_offset: info.indexOffset,
    index_len: info.indexBytes,
    filter_offset: info.filterOffset,
    filter_len: info.filterBytes,
    filter_format: info.filterFormat,
    stats_offset: info.statsOffset,
    stats_len: info.statsBytes,
  };
}

function rowJson(row: Row, hex: boolean): string {
  const show = hex ? toHex : escapeText;
  return `{"k":${JSON.stringify(show(row.key))},"v":${
    row.kind === "delete" ? "null" : JSON.stringify(show(row.value))
  },"kind":"${row.kind}","seq":${jsonInteger(row.seq)},"create_ts":${
    jsonInteger(row.createTs)
  },"expire_ts":${jsonInteger(row.expireTs)}}`;
}

async function read(
  { store, name }: DumpOptions,
  start: number,
  end: number,
): Promise<Uint8Array> {
  const found = await store.get(name, { range: { start, end } });
  if (found !== undefined) return found.bytes;
  throw new DbError("unavailable", `${name} went away while it was read`);
}
