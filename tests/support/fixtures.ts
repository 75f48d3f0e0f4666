/**
 * Databases that the real engines wrote, packed by `scripts/pack_fixtures.ts`.
 *
 * @module
 */
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import zlib from "node:zlib";
import { fromHex } from "../../lib/base/bytes.ts";

const ROOT = fileURLToPath(new URL("../fixtures/", import.meta.url));
const SUFFIX = ".tar.gz";
const BLOCK_BYTES = 512;

/** Which database. */
export interface FixtureName {
  /** Folder of the engine that wrote it: `slatedb-0.12` or `slatedb-0.15`. */
  engine: string;
  /** What it shows. */
  name: string;
}

/** A row as its engine itself reads it back; merge operands are concatenated. */
export interface ExpectedRow {
  key: Uint8Array;
  value: Uint8Array;
  seq: bigint;
  createTs: bigint;
  expireTs: bigint | undefined;
}

/** An operation that was run on the database; keys and values in hexadecimal. */
export interface FixtureOp {
  op: string;
  k?: string;
  v?: string;
  /** Milliseconds to live. */
  ttl?: number;
  /** Milliseconds since the epoch. */
  expire_at?: number;
  seq?: number;
  ms?: number;
  name?: string;
  lifetime_s?: number;
  rows?: FixtureOp[];
}

/** What the database shows, and how its engine was configured. */
export interface FixtureInfo {
  about: string;
  engine: "0.12" | "0.15";
  rows: number;
  merge_operator: "concat";
  /** Absent: closed in order. */
  closed?: boolean;
  block_kib?: number;
  filters?: string;
  segment_prefix_bytes?: number;
  /** "plus one": every byte plus 1, after compression. */
  transform?: string;
  settings: Record<string, unknown>;
}

/** One database. */
export interface Fixture {
  /** By name, such as `db/manifest/00000000000000000001.manifest`. */
  files: Map<string, Uint8Array>;
  expected: ExpectedRow[];
  ops: FixtureOp[];
  info: FixtureInfo;
}

/** Lists every database, in order. */
export function listFixtures(): FixtureName[] {
  const engines = fs.readdirSync(ROOT).filter((entry) =>
    entry.startsWith("slatedb-")
  ).sort();
  return engines.flatMap((engine) =>
    fs.readdirSync(path.join(ROOT, engine)).sort()
      .filter((file) => file.endsWith(SUFFIX))
      .map((file) => ({ engine, name: file.slice(0, -SUFFIX.length) }))
  );
}

/** Reads one database. */
export async function loadFixture(
  engine: string,
  name: string,
): Promise<Fixture> {
  const packed = await fs.promises.readFile(
    path.join(ROOT, engine, `${name}${SUFFIX}`),
  );
  const all = untar(new Uint8Array(zlib.gunzipSync(packed)));
  const text = (file: string) => new TextDecoder().decode(all.get(file)!);
  const files = new Map([...all].filter(([file]) => file.startsWith("db/")));
  return {
    files,
    expected: lines(text("expected.jsonl")).map(toRow),
    ops: lines(text("ops.jsonl")) as unknown as FixtureOp[],
    info: JSON.parse(text("fixture.json")),
  };
}

/** Reads the default settings of an engine, `0.12` or `0.15`. */
export function loadSettings(version: string): Record<string, unknown> {
  const file = path.join(ROOT, `settings-${version}.json`);
  return JSON.parse(fs.readFileSync(file, "utf8"));
}

function lines(text: string): Record<string, unknown>[] {
  return text.split("\n").filter((line) => line !== "").map((line) =>
    JSON.parse(line)
  );
}

function toRow(line: Record<string, unknown>): ExpectedRow {
  const { k, v, seq, create_ts, expire_ts } = line;
  return {
    key: fromHex(k as string)!,
    value: fromHex(v as string)!,
    seq: BigInt(seq as number),
    createTs: BigInt(create_ts as number),
    expireTs: expire_ts === null ? undefined : BigInt(expire_ts as number),
  };
}

function untar(archive: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const text = (offset: number, length: number) =>
    new TextDecoder().decode(archive.subarray(offset, offset + length))
      .replace(/\0.*$/s, "");
  for (let at = 0; at < archive.length && archive[at] !== 0;) {
    const name = text(at, 100);
    const size = Number.parseInt(text(at + 124, 12), 8);
    const start = at + BLOCK_BYTES;
    files.set(name, archive.slice(start, start + size));
    at = start + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
  }
  return files;
}
