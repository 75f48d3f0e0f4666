/**
 * Parts of compactions over rows, and what readers see before and after.
 *
 * @module
 */
import { silentLogger } from "../../lib/base/log.ts";
import { compareBytes, concatBytes, toHex } from "../../lib/base/bytes.ts";
import { MAX_SEQ, type Row } from "../../lib/base/row.ts";
import { systemRuntime } from "../../lib/base/runtime.ts";
import type { SstHandle } from "../../lib/format/manifest.ts";
import type { MergeOperator } from "../../lib/iter/merge_operator.ts";
import {
  type PartHooks,
  type PartRequest,
  type PartTools,
  runPart,
} from "../../lib/compactor/part.ts";
import { readRows, sorted, storeRows, type World } from "../sst/world.ts";

/** Operands are appended. */
export const concat: MergeOperator = {
  merge: (_key, existing, operand) =>
    existing === undefined ? operand.slice() : concatBytes([existing, operand]),
};

/** Tools with small SSTs and blocks, so that little data crosses many borders. */
export function toolsOf(
  world: World,
  options: Partial<PartTools> & { maxSstBytes?: number } = {},
): PartTools {
  const { maxSstBytes = 4096, ...rest } = options;
  return {
    kernel: world.kernel,
    runtime: systemRuntime,
    logger: silentLogger,
    store: world.store,
    root: "db",
    transformer: world.transformer,
    encoding: {
      blockBytes: 1024,
      compression: "none",
      filterBitsPerKey: 10,
      minFilterKeys: 0,
    },
    limits: { maxSstBytes, maxFetchTasks: 2, bytesToFetch: 4096 },
    ...rest,
  };
}

/** Hooks that neither watch nor end anything. */
export function hooks(options: Partial<PartHooks> = {}): PartHooks {
  return {
    signal: new AbortController().signal,
    onProgress: () => {},
    ...options,
  };
}

/** Stores each list of rows as an SST of L0, and asks for all of them as one run. */
export async function requestOf(
  world: World,
  sources: readonly (readonly Row[])[],
  options: Partial<PartRequest> = {},
): Promise<PartRequest> {
  const l0: SstHandle[] = [];
  for (const rows of sources) {
    if (rows.length === 0) continue;
    l0.push(await storeRows(world, sorted(rows), { blockBytes: 1024 }));
  }
  return {
    compactionId: world.ssts.nextId(),
    destination: 0,
    l0,
    runs: [],
    externalDbs: [],
    range: {},
    retainSeq: MAX_SEQ - 1n,
    clockTick: 0n,
    bottom: true,
    written: [],
    ...options,
  };
}

/** Runs a part and reads what it made, SST by SST. */
export async function compact(
  world: World,
  request: PartRequest,
  options: Parameters<typeof toolsOf>[1] = {},
): Promise<Row[][]> {
  const { outputs } = await runPart(
    request,
    toolsOf(world, options),
    hooks(),
  );
  return await readOutputs(world, outputs);
}

/** The rows of each SST. */
export async function readOutputs(
  world: World,
  outputs: readonly SstHandle[],
): Promise<Row[][]> {
  const read: Row[][] = [];
  for (const handle of outputs) {
    const table = world.ssts.table(handle);
    table.acquire();
    read.push(await readRows([table]));
    table.release();
  }
  return read;
}

/** What a reader sees: the values of all keys, at a sequence number and time. */
export function visible(
  rows: readonly Row[],
  seq: bigint,
  nowMs: bigint,
): Map<string, string> {
  const seen = new Map<string, string>();
  const keys = new Map<string, Row[]>();
  for (const row of rows) {
    const key = toHex(row.key);
    keys.set(key, [...keys.get(key) ?? [], row]);
  }
  for (const [key, versions] of keys) {
    const value = valueOf(
      versions.filter((row) => row.seq <= seq)
        .sort((a, b) => a.seq > b.seq ? -1 : 1),
      nowMs,
    );
    if (value !== undefined) seen.set(key, toHex(value));
  }
  return seen;
}

function valueOf(
  newestFirst: readonly Row[],
  nowMs: bigint,
): Uint8Array | undefined {
  const operands: Uint8Array[] = [];
  for (const row of newestFirst) {
    const expired = row.expireTs !== undefined && row.expireTs <= nowMs;
    if (row.kind === "merge") {
      if (!expired) operands.unshift(row.value);
      continue;
    }
    if (row.kind === "put" && !expired) operands.unshift(row.value);
    else if (operands.length === 0) return undefined;
    return concatBytes(operands);
  }
  return operands.length === 0 ? undefined : concatBytes(operands);
}

/** Whether rows ascend by key, each key's newest first, none twice. */
export function isOrdered(rows: readonly Row[]): boolean {
  return rows.every((row, i) => {
    const before = rows[i - 1];
    if (before === undefined) return true;
    const order = compareBytes(before.key, row.key);
    return order < 0 || order === 0 && before.seq > row.seq;
  });
}
