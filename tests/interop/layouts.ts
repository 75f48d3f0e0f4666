/**
 * How the interop databases are laid out, and what is written into them.
 *
 * @module
 */
import {
  type DbSettings,
  FileStore,
  type FilterPolicy,
  fixedPrefix,
  type FormatTarget,
} from "../../mod.ts";
import { hex, type Op } from "../support/op.ts";
import { OpSource } from "../support/op_source.ts";
import type { Random } from "../support/random.ts";
import type { TempDir } from "../support/temp_dir.ts";
import type { JudgeOpen, JudgeStore } from "./judge.ts";
import type { ShaleOpen } from "./shale.ts";

/** A century: long enough to be alive for the length of a test. */
const LONG_TTL_MS = 3_153_600_000_000;
/** Nothing in the background. */
export const QUIET = {
  compactor_options: null,
  garbage_collector_options: null,
};
/** What a dead process had claimed is free before its layers fill L0. */
const QUICK_CLAIMS = {
  worker_heartbeat_timeout: "2s",
  worker: { heartbeat_interval: "500ms" },
} as const;
/** A compactor that finds work at once and makes several SSTs a run. */
export const COMPACTING = {
  min_filter_keys: 100,
  manifest_poll_interval: "100ms",
  garbage_collector_options: null,
  l0_max_ssts: 64,
  l0_max_ssts_per_key: 64,
  compactor_options: {
    poll_interval: "50ms",
    max_sst_size: 20_000,
    commit_compacted_interval: "50ms",
    worker: {
      ...QUICK_CLAIMS.worker,
      compactions_poll_interval: "50ms",
      max_sst_size: 20_000,
    },
    worker_heartbeat_timeout: QUICK_CLAIMS.worker_heartbeat_timeout,
  },
};
/** What Shale opens with, where SlateDB is {@linkcode COMPACTING}. */
export const ROOMY: DbSettings = {
  min_filter_keys: 100,
  l0_max_ssts: 64,
  l0_max_ssts_per_key: 64,
  compactor_options: QUICK_CLAIMS,
};

/** A way to lay out a database. */
export interface Layout {
  readonly name: string;
  /** Settings for both sides. */
  readonly settings?: DbSettings;
  readonly blockKib?: number;
  /** Whether the WAL lies in another store. */
  readonly walStore?: boolean;
  /** What Shale writes; SlateDB writes what it can. */
  readonly formatTarget?: FormatTarget;
  /** Bytes of the segment prefix. */
  readonly segment?: number;
  /** `bloom:10`, `prefix:8` (whole key and prefix), `only:8`, `last`, with commas. */
  readonly filters?: string;
}

/** All codecs, all block sizes, and what else changes files. */
export const LAYOUTS: readonly Layout[] = [
  { name: "defaults" },
  { name: "Snappy", settings: { compression_codec: "Snappy" } },
  { name: "Zlib", settings: { compression_codec: "Zlib" } },
  { name: "Lz4", settings: { compression_codec: "Lz4" } },
  { name: "Zstd", settings: { compression_codec: "Zstd" } },
  { name: "blocks of 1 KiB", blockKib: 1 },
  { name: "blocks of 2 KiB", blockKib: 2 },
  { name: "blocks of 8 KiB", blockKib: 8 },
  { name: "blocks of 16 KiB", blockKib: 16 },
  { name: "blocks of 32 KiB", blockKib: 32 },
  { name: "blocks of 64 KiB", blockKib: 64 },
  { name: "a WAL store", walStore: true },
  { name: "no WAL", settings: { wal_enabled: false } },
];

/** What SlateDB can write since 0.15 alone. */
export const NEWER_LAYOUTS: readonly Layout[] = [
  { name: "0.15's encodings", formatTarget: "0.15" },
  {
    name: "segments",
    formatTarget: "0.15",
    segment: 1,
    settings: { min_filter_keys: 1 },
  },
  {
    name: "filters of prefixes",
    formatTarget: "0.15",
    filters: "bloom:10,prefix:2,only:3",
    settings: { min_filter_keys: 1 },
  },
  {
    name: "filters of one's own",
    formatTarget: "0.15",
    filters: "bloom:10,last,prefix:2",
    settings: { min_filter_keys: 1 },
  },
  {
    name: "segments and filters, Lz4",
    formatTarget: "0.15",
    segment: 1,
    filters: "bloom:8,only:2",
    settings: { min_filter_keys: 1, compression_codec: "Lz4" },
  },
];

/** A policy of one's own: which bytes the keys of an SST end with. */
const LAST_BYTES: FilterPolicy = {
  name: "last-byte",
  newBuilder() {
    const bits = new Uint8Array(32);
    return {
      add({ key }) {
        const last = key.at(-1)!;
        bits[last >> 3]! |= 1 << (last & 7);
      },
      finish: () => bits,
    };
  },
  decode: (bits) => ({
    mayContain(bytes, kind) {
      const last = bytes.at(-1);
      if (kind === "prefix" || last === undefined) return true;
      return (bits[last >> 3]! & (1 << (last & 7))) !== 0;
    },
  }),
};

/** The policies that a layout's filters are. */
export function policiesOf(filters: string): FilterPolicy[] {
  return filters.split(",").map((text): FilterPolicy => {
    const [kind, number] = text.split(":");
    if (kind === "last") return LAST_BYTES;
    if (kind === "bloom") return { bitsPerKey: Number(number) };
    const prefixExtractor = fixedPrefix(Number(number));
    return { wholeKeys: kind === "prefix", prefixExtractor, bitsPerKey: 10 };
  });
}

/** A put of texts. */
export const put = (k: string, v: string, more = {}): Op => (
  { op: "put", k: hex(k), v: hex(v), ...more }
);
const merge = (k: string, v: string, more = {}): Op => (
  { op: "merge", k: hex(k), v: hex(v), ...more }
);
const remove = (k: string): Op => ({ op: "delete", k: hex(k) });

/** Writes the memtable as an L0 SST. */
export const MEM: Op = { op: "flush_mem" };
/** Makes the WAL durable. */
export const WAL: Op = { op: "flush_wal" };

/** Every kind of row, in one stage of several. */
function everyKind(stage: number): Op[] {
  return [
    put("a", `va${stage}`),
    put("empty", ""),
    put("gone", "x"),
    remove("gone"),
    remove("never"),
    merge("m", `m${stage}`),
    merge("m", "+"),
    put("mb", "base"),
    merge("mb", `+${stage}`),
    {
      op: "batch",
      rows: [
        { op: "put", k: hex("b1"), v: hex("1") },
        { op: "put", k: hex("b2"), v: hex("2") },
        { op: "delete", k: hex("b1") },
        { op: "merge", k: hex("b2"), v: hex("!") },
        { op: "merge", k: hex("b3"), v: hex(`${stage}`) },
      ],
    },
    put("ttl", "t", { ttl: LONG_TTL_MS }),
    put("absolute", "t", { expire_at: 4_102_444_800_000 }),
    merge("mt", "q", { ttl: LONG_TTL_MS }),
    { op: "put", k: "00ff01", v: "ff00" },
    put("k".repeat(300), "v".repeat(20_000)),
    put("z".repeat(65_535 - stage), `longest ${stage}`),
    stage % 2 === 0 ? remove(`often${stage}`) : put(`often${stage}`, "x"),
  ];
}

/** Rows of a fixed kind of load: enough for several blocks and a filter. */
export function load(random: Random, rows: number): Op[] {
  const source = new OpSource(random, {
    keys: 4000,
    valueBytes: 60,
    merges: true,
  });
  return Array.from({ length: rows }, () => source.row());
}

/** Stages of writes, each ending as a layer of its own. */
export function layers(random: Random): Op[] {
  return [
    ...everyKind(0),
    ...load(random, 300),
    MEM,
    ...everyKind(1),
    ...load(random, 100),
    MEM,
    ...everyKind(2),
    ...load(random, 50),
  ];
}

/** Where one case keeps its database. */
export function placeOf(dir: TempDir, layout: Layout): {
  judge: JudgeStore;
  shale: ShaleOpen;
} {
  const walDir = dir.at("wal-store");
  const { segment, filters, formatTarget } = layout;
  return {
    judge: {
      store: dir.at("store"),
      path: "db",
      ...(segment === undefined ? {} : { segment }),
      ...(filters === undefined ? {} : { filters }),
      ...(layout.walStore === true ? { walStore: walDir } : {}),
    },
    shale: {
      dir: dir.at("store"),
      settings: { ...ROOMY, ...layout.settings },
      ...(formatTarget === undefined ? {} : { formatTarget }),
      ...(segment === undefined
        ? {}
        : { segmentExtractor: fixedPrefix(segment) }),
      ...(filters === undefined ? {} : { filterPolicies: policiesOf(filters) }),
      ...(layout.walStore === true ? { walStore: new FileStore(walDir) } : {}),
      ...(layout.blockKib === undefined
        ? {}
        : { blockBytes: layout.blockKib * 1024 }),
    },
  };
}

/** What makes everything so far survive the end of the process. */
export function lastFlushOf(layout: Layout): Op {
  return layout.settings?.wal_enabled === false ? MEM : WAL;
}

/** How a judge opens a database laid out so. */
export function judgeOpen(
  place: JudgeStore,
  layout: Layout,
  settings: Record<string, unknown>,
): JudgeOpen {
  return {
    ...place,
    settings: { ...settings, ...layout.settings as Record<string, unknown> },
    ...(layout.blockKib === undefined ? {} : { blockKib: layout.blockKib }),
  };
}
