/**
 * One key's search, told step by step.
 *
 * Asks the same sources in the same order as `point_get.ts`, and writes down what
 * each said. It goes on where a get would stop only as far as merge operands make
 * a get go on, too.
 *
 * @module
 */
import type { Ulid } from "../base/ids.ts";
import { RowFlag } from "../codec/abi.ts";
import type { LsmView, TableTree } from "../lsm/lsm_view.ts";
import type { Memtable } from "../memtable/memtable.ts";
import type { SstTable } from "../sst/sst_table.ts";
import { pointGet } from "./point_get.ts";
import type { ReadContext } from "./read_context.ts";
import { treesOfKey } from "./source_plan.ts";
import {
  covers,
  lookUpAsync,
  passesFilters,
  type PointRead,
} from "./table_lookup.ts";

/** What a source said about a key. */
export type SourceAnswer =
  | "put"
  | "delete"
  | "merge"
  | "absent"
  | "out of range"
  | "filtered out";

/** One source that a search asked. */
export interface ExplainedSource {
  /** Which kind of source. */
  readonly source: "active memtable" | "frozen memtable" | "L0" | "sorted run";
  /** The SST, where it is one. */
  readonly sst?: Ulid;
  /** The sorted run, where it is part of one. */
  readonly run?: number;
  /** What it said. */
  readonly answer: SourceAnswer;
  /** Sequence number of the row it has. */
  readonly seq?: bigint;
  /** Requests that this step cost; 0 where everything was in memory. */
  readonly requests: number;
  /** Bytes that these requests brought. */
  readonly bytesRead: number;
}

/** A key's search, and its end. */
export interface KeyExplanation {
  /** The sources asked, newest first; the last one decided, or there was none left. */
  readonly sources: readonly ExplainedSource[];
  /** The value; `undefined` where there is none. */
  readonly value: Uint8Array | undefined;
  /** Requests of the whole search. */
  readonly requests: number;
  /** Bytes that they brought. */
  readonly bytesRead: number;
}

interface Answer {
  readonly answer: SourceAnswer;
  readonly seq?: bigint;
}

/**
 * Looks a key up and tells how.
 *
 * @param context What reads work with.
 * @param view The sources; held until this resolves.
 * @param callersKey The key; copied.
 * @param read What is visible.
 * @returns The search.
 * @throws {DbError} As `pointGet`.
 */
export async function explainKey(
  context: ReadContext,
  view: LsmView,
  callersKey: Uint8Array,
  read: PointRead,
): Promise<KeyExplanation> {
  const key = callersKey.slice();
  const sources: ExplainedSource[] = [];
  view.acquire();
  try {
    for await (const step of askAll(context, view, key, read)) {
      sources.push(step);
      if (step.answer === "put" || step.answer === "delete") break;
    }
    const found = await pointGet(context, view, key, read);
    return {
      sources,
      value: found?.value,
      requests: sources.reduce((sum, step) => sum + step.requests, 0),
      bytesRead: sources.reduce((sum, step) => sum + step.bytesRead, 0),
    };
  } finally {
    view.release();
  }
}

async function* askAll(
  context: ReadContext,
  view: LsmView,
  key: Uint8Array,
  read: PointRead,
): AsyncGenerator<ExplainedSource, void, void> {
  const free = { requests: 0, bytesRead: 0 };
  const ask = (memtable: Memtable) => askMemtable(context, memtable, key, read);
  yield { source: "active memtable", ...ask(view.active), ...free };
  for (const { memtable } of view.frozen) {
    yield { source: "frozen memtable", ...ask(memtable), ...free };
  }
  for (const { source, run, table } of treesOfKey(view, key).flatMap(tables)) {
    const before = table.cost;
    const answer = await askTable(context, table, key, read);
    const after = table.cost;
    yield {
      source,
      sst: table.handle.id,
      ...(run === undefined ? {} : { run }),
      ...answer,
      requests: after.requests - before.requests,
      bytesRead: after.bytesRead - before.bytesRead,
    };
  }
}

function tables(tree: TableTree) {
  return [
    ...tree.l0.map((table) => ({
      source: "L0" as const,
      run: undefined,
      table,
    })),
    ...tree.runs.flatMap(({ id, tables }) =>
      tables.map((table) => ({
        source: "sorted run" as const,
        run: id,
        table,
      }))
    ),
  ];
}

function askMemtable(
  context: ReadContext,
  memtable: Memtable,
  key: Uint8Array,
  read: PointRead,
): Answer {
  const { probe, kernel } = context;
  probe.set(key);
  const record = kernel.exports.memtable_get(
    memtable.pointer,
    probe.pointer,
    probe.bytes,
    read.seqMax,
  );
  return record === 0 ? { answer: "absent" } : answerOf(context, record);
}

async function askTable(
  context: ReadContext,
  table: SstTable,
  key: Uint8Array,
  read: PointRead,
): Promise<Answer> {
  if (!covers(table, key)) return { answer: "out of range" };
  while (!table.ready) await table.load();
  context.probe.set(key);
  if (!passesFilters(context, table, key, read)) {
    return { answer: "filtered out" };
  }
  const answer = await lookUpAsync(
    context,
    table,
    key,
    read,
    (record) => answerOf(context, record),
  );
  return answer ?? { answer: "absent" };
}

function answerOf({ kernel }: ReadContext, record: number): Answer {
  const flags = kernel.u32[(record + 32) >> 2]!;
  const answer = (flags & RowFlag.TOMBSTONE) !== 0
    ? "delete"
    : (flags & RowFlag.MERGE) !== 0
    ? "merge"
    : "put";
  return { answer, seq: kernel.readU64(record) };
}
