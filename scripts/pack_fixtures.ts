/**
 * Packs databases that the real engines wrote into archives that tests read.
 *
 * usage: deno run --allow-read --allow-write scripts/pack_fixtures.ts <folder> [target]
 *
 * The folder holds `<engine>/<name>/{db/,expected.jsonl,ops.jsonl,fixture.json}`
 * and `settings-*.json`. Each database becomes `<target>/<engine>/<name>.tar.gz`,
 * the same bytes for the same content: names sorted, no times, no owners.
 */
import { Buffer } from "node:buffer";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import zlib from "node:zlib";

const BLOCK_BYTES = 512;
/** Offset of the header's checksum, which counts as spaces while it is made. */
const CHECKSUM_OFFSET = 148;
const CHECKSUM_BYTES = 8;
/** Offset of the byte of a gzip header that names the operating system. */
const GZIP_SYSTEM_OFFSET = 9;
const UNKNOWN_SYSTEM = 255;

function header(name: string, size: number): Uint8Array {
  const bytes = new Uint8Array(BLOCK_BYTES);
  const put = (offset: number, text: string) =>
    bytes.set(new TextEncoder().encode(text), offset);
  const octal = (value: number, digits: number) =>
    value.toString(8).padStart(digits, "0");
  put(0, name);
  put(100, `${octal(0o644, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0`);
  put(124, `${octal(size, 11)}\0${octal(0, 11)}\0`);
  put(CHECKSUM_OFFSET, " ".repeat(CHECKSUM_BYTES));
  put(156, "0");
  put(257, "ustar\0" + "00");
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  put(CHECKSUM_OFFSET, `${octal(sum, 6)}\0 `);
  return bytes;
}

function tar(folder: string): Uint8Array {
  const names = fs.readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => name.split(path.sep).join("/"))
    .filter((name) => fs.statSync(path.join(folder, name)).isFile())
    .sort();
  const parts: Uint8Array[] = [];
  for (const name of names) {
    if (name.length > 99) throw new RangeError(`Cannot pack ${name}: too long`);
    const bytes = new Uint8Array(fs.readFileSync(path.join(folder, name)));
    const padding = (BLOCK_BYTES - bytes.length % BLOCK_BYTES) % BLOCK_BYTES;
    parts.push(header(name, bytes.length), bytes, new Uint8Array(padding));
  }
  parts.push(new Uint8Array(2 * BLOCK_BYTES));
  return Buffer.concat(parts);
}

function pack(source: string, target: string): number {
  let packed = 0;
  for (const entry of fs.readdirSync(source).sort()) {
    const from = path.join(source, entry);
    if (/^settings-.*\.json$/.test(entry)) {
      fs.mkdirSync(target, { recursive: true });
      const settings = JSON.parse(fs.readFileSync(from, "utf8"));
      const text = `${JSON.stringify(settings, null, 2)}\n`;
      fs.writeFileSync(path.join(target, entry), text);
    }
    if (!fs.statSync(from).isDirectory()) continue;
    for (const name of fs.readdirSync(from).sort()) {
      const archive = zlib.gzipSync(tar(path.join(from, name)), { level: 9 });
      archive[GZIP_SYSTEM_OFFSET] = UNKNOWN_SYSTEM;
      fs.mkdirSync(path.join(target, entry), { recursive: true });
      fs.writeFileSync(path.join(target, entry, `${name}.tar.gz`), archive);
      packed++;
    }
  }
  return packed;
}

const [source, target = path.join("tests", "fixtures")] = process.argv.slice(2);
if (source === undefined) {
  console.error("usage: pack_fixtures.ts <folder> [target]");
  process.exitCode = 2;
} else {
  console.log(`${pack(source, target)} databases packed`);
}
