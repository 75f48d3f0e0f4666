/**
 * The kernel and its TypeScript twin, function by function, one call an
 * iteration: `deno bench -A bench/kernel_bench.ts [--filter memtable]`.
 *
 * @module
 */
import { ROW_HEADER_BYTES } from "../lib/codec/abi.ts";
import { crc32 } from "../lib/codec/crc32.ts";
import { Kernel } from "../lib/codec/kernel.ts";

const KEYS = 1 << 17;
const KEY_BYTES = 16;
const VALUE = new Uint8Array(100).fill(7);
const BLOCK_BYTES = 4096;

/** Random keys, one after the other. */
const randomKeys = new Uint8Array(KEYS * KEY_BYTES);
for (let i = 0; i < randomKeys.length; i += 65_536) {
  crypto.getRandomValues(randomKeys.subarray(i, i + 65_536));
}

/** The numbers below {@linkcode KEYS} in decimal, in order. */
const risingKeys = new TextEncoder().encode(
  Array.from({ length: KEYS }, (_, i) => `${i}`.padStart(KEY_BYTES, "0"))
    .join(""),
);

/** The same, scattered: they share long prefixes. */
const scatteredKeys = new Uint8Array(KEYS * KEY_BYTES);
for (let i = 0; i < KEYS; i++) {
  const from = (i * 7919) % KEYS * KEY_BYTES;
  scatteredKeys.set(
    risingKeys.subarray(from, from + KEY_BYTES),
    i * KEY_BYTES,
  );
}

/** JSON-like text, a block long. */
const text = new TextEncoder().encode(
  Array.from(
    { length: 100 },
    (_, i) => `{"id":${i * 7919},"name":"row ${i % 37}"}`,
  ).join("\n"),
).subarray(0, BLOCK_BYTES);

function insertRow(
  kernel: Kernel,
  memtable: number,
  keys: Uint8Array,
  i: number,
): void {
  const { exports } = kernel;
  const bytes = ROW_HEADER_BYTES + KEY_BYTES + VALUE.length;
  const record = exports.memtable_reserve(memtable, bytes);
  const { u8 } = kernel;
  const at = i * KEY_BYTES;
  const to = record + ROW_HEADER_BYTES;
  for (let b = 0; b < KEY_BYTES; b++) u8[to + b] = keys[at + b]!;
  u8.set(VALUE, to + KEY_BYTES);
  const { length } = VALUE;
  exports.memtable_insert(
    memtable,
    KEY_BYTES,
    length,
    0,
    BigInt(i + 1),
    0n,
    0n,
  );
}

/** A memtable that is emptied whenever every key is in. */
function benchInsert(
  name: string,
  kernel: Kernel,
  group: string,
  keys: Uint8Array,
): void {
  let memtable = 0;
  let i = 0;
  Deno.bench({ name: `${name}: ${group}`, group }, () => {
    if (i % KEYS === 0) {
      kernel.exports.memtable_free(memtable);
      memtable = kernel.exports.memtable_create();
      i = 0;
    }
    insertRow(kernel, memtable, keys, i++);
  });
}

function benchGet(name: string, kernel: Kernel, rows: number): void {
  let memtable = 0;
  let i = 0;
  const group = `memtable_get, ${rows} random keys`;
  Deno.bench({ name: `${name}: ${group}`, group }, () => {
    if (memtable === 0) {
      memtable = kernel.exports.memtable_create();
      for (let n = 0; n < rows; n++) {
        insertRow(kernel, memtable, randomKeys, n);
      }
    }
    i = (i + 7919) % rows;
    const at = i * KEY_BYTES;
    const key = randomKeys.subarray(at, at + KEY_BYTES);
    const bytes = kernel.scratchKey(key);
    const pointer = kernel.scratchPointer;
    kernel.exports.memtable_get(memtable, pointer, bytes, 1n << 40n);
  });
}

function benchHashes(name: string, kernel: Kernel): void {
  const { exports } = kernel;
  const block = kernel.copyIn(text);
  const filter = kernel.alloc(1 << 16);
  const out = kernel.alloc(2 * BLOCK_BYTES);
  const packed = {
    snappy: kernel.alloc(2 * BLOCK_BYTES),
    lz4: kernel.alloc(2 * BLOCK_BYTES),
  };
  const room = 2 * BLOCK_BYTES;
  const snappy = exports.snappy_encode(
    block,
    text.length,
    packed.snappy,
    room,
  );
  const lz4 = exports.lz4_encode(block, text.length, packed.lz4, room);
  const probe = 0x0123456789abcdefn;
  const bodies: Record<string, () => unknown> = {
    "crc32, 4 KiB": () => exports.crc32(block, text.length),
    "siphash13, 16 bytes": () => exports.siphash13(block, KEY_BYTES),
    "bloom_probe, absent": () => exports.bloom_probe(filter, 1 << 16, 6, probe),
    "bloom_add, 512 keys": () =>
      exports.bloom_add(block, text.length >> 3, filter, 640, 6),
    "snappy_encode, 4 KiB": () =>
      exports.snappy_encode(block, text.length, out, room),
    "snappy_decode, 4 KiB": () =>
      exports.snappy_decode(packed.snappy, snappy, out, room),
    "lz4_encode, 4 KiB": () =>
      exports.lz4_encode(block, text.length, out, room),
    "lz4_decode, 4 KiB": () => exports.lz4_decode(packed.lz4, lz4, out, room),
    "alloc and free, 4 KiB": () => exports.free(exports.alloc(BLOCK_BYTES)),
  };
  for (const [group, body] of Object.entries(bodies)) {
    Deno.bench({ name: `${name}: ${group}`, group }, () => {
      body();
    });
  }
}

for (
  const [name, kernel] of [
    ["kernel", await Kernel.create()],
    ["twin", Kernel.reference()],
  ] as const
) {
  benchHashes(name, kernel);
  // The twin's sorted array takes no more than this in sensible time.
  benchGet(name, kernel, 10_000);
  if (name === "twin") continue;
  benchGet(name, kernel, KEYS);
  benchInsert(name, kernel, "memtable_insert, random keys", randomKeys);
  benchInsert(name, kernel, "memtable_insert, scattered", scatteredKeys);
  benchInsert(name, kernel, "memtable_insert, rising", risingKeys);
}

Deno.bench({ name: "runtime: crc32, 4 KiB", group: "crc32, 4 KiB" }, () => {
  crc32(text);
});

const kernel = await Kernel.create();
for (const key of ["sixteen bytes!!!", "sechzehn Bÿtes!!"]) {
  Deno.bench({ name: `Kernel.scratchKey: ${key}` }, () => {
    kernel.scratchKey(key);
  });
}
