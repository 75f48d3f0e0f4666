import { MemoryBudget } from "../../lib/base/budget.ts";
import { toBytes, toText } from "../../lib/base/bytes.ts";
import type { DbError } from "../../lib/base/errors.ts";
import { silentLogger } from "../../lib/base/log.ts";
import type { Row } from "../../lib/base/row.ts";
import { systemRuntime } from "../../lib/base/runtime.ts";
import { rowFlags } from "../../lib/codec/row_record.ts";
import { decodeManifest } from "../../lib/format/manifest.ts";
import {
  manifestName,
  parseManifestId,
  parseWalId,
  walName,
} from "../../lib/format/paths.ts";
import { Memtable } from "../../lib/memtable/memtable.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { decodeSection } from "../../lib/sst/section.ts";
import { SstEncoder } from "../../lib/sst/sst_encoder.ts";
import { fencedError } from "../../lib/wal/object_wal_fence.ts";
import {
  type ReplayOptions,
  replayWal,
} from "../../lib/wal/object_wal_replay.ts";
import type { SectionDecoder } from "../../lib/wal/wal_file.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import {
  type Fixture,
  listFixtures,
  loadFixture,
} from "../support/fixtures.ts";
import { test } from "../support/test.ts";
import { CONCAT, rowsOf, visible } from "./memtable_rows.ts";
import { KERNEL } from "./wal_harness.ts";

/** Takes replayed rows, and remembers where memtables were cut. */
class Target {
  readonly frozen: { memtable: Memtable; stamp: number }[] = [];
  memtable = new Memtable(KERNEL, new MemoryBudget());
  readonly #full: number;

  constructor(full = Infinity) {
    this.#full = full;
  }

  get options() {
    return {
      kernel: KERNEL,
      root: "db",
      runtime: systemRuntime,
      logger: silentLogger,
      decodeSection: DECODE,
      mergeOperator: CONCAT,
      memtable: () => this.memtable,
      isFull: () => this.memtable.encodedBytes >= this.#full,
      freeze: (stamp: number) => {
        this.frozen.push({ memtable: this.memtable, stamp });
        this.memtable = new Memtable(KERNEL, new MemoryBudget());
      },
    };
  }

  get memtables(): Memtable[] {
    return [...this.frozen.map(({ memtable }) => memtable), this.memtable];
  }

  /** All rows, newest memtable first; frees the memtables. */
  takeRows(): Row[] {
    const rows = this.memtables.toReversed().flatMap(rowsOf);
    for (const memtable of this.memtables) memtable.release();
    return rows;
  }
}

const DECODE: SectionDecoder = (compression, stored, what) =>
  decodeSection(
    { kernel: KERNEL, compression, transformer: undefined },
    stored,
    what,
  );

/** The transformer of one reference database: every byte plus 1. */
const DECODE_PLUS_ONE: SectionDecoder = (compression, stored, what) =>
  decodeSection(
    {
      kernel: KERNEL,
      compression,
      transformer: {
        encode: (bytes) => bytes.map((byte) => byte + 1),
        decode: (bytes) => Promise.resolve(bytes.map((byte) => byte - 1)),
      },
    },
    stored,
    what,
  );

async function storeOf({ files }: Fixture): Promise<MemoryStore> {
  const store = new MemoryStore();
  for (const [name, bytes] of files) await store.put(name, bytes);
  return store;
}

function walIds({ files }: Fixture): number[] {
  return [...files.keys()].flatMap((name) => parseWalId("db", name) ?? [])
    .sort((a, b) => a - b);
}

for (const { engine, name } of listFixtures()) {
  test(`replayWal() reads what ${engine} logged in ${name}`, async () => {
    const fixture = await loadFixture(engine, name);
    const ids = walIds(fixture);
    // Where the log was off or collected it does not tell the whole story, and
    // expired rows are for readers to judge.
    if (ids[0] !== 1 || ["nowal", "expired"].includes(name)) return;
    const target = new Target();
    const found = await replayWal({
      ...target.options,
      ...(fixture.info.transform === undefined
        ? {}
        : { decodeSection: DECODE_PLUS_ONE }),
      store: await storeOf(fixture),
      from: 1,
      to: ids.at(-1)!,
      lastL0Seq: 0n,
    });
    const rows = target.takeRows();
    const expected = fixture.expected.map((row): [string, string] => [
      `${row.key.join(",")}@${row.seq}`,
      toText(row.value),
    ]);
    assertEquals(visible(rows), new Map(expected));
    assertEquals(found.lastWalId, ids.at(-1)!);
    const seqs = rows.map(({ seq }) => seq);
    assertEquals(found.lastSeq, seqs.reduce((a, b) => a > b ? a : b));
  });
}

test("replayWal() skips the rows that L0 has", async () => {
  const fixture = await loadFixture("slatedb-0.15", "kinds_layers");
  const latest = [...fixture.files.keys()].flatMap((name) =>
    parseManifestId("db", name) ?? []
  ).sort((a, b) => a - b).at(-1)!;
  const manifest = decodeManifest(
    latest,
    fixture.files.get(manifestName("db", latest))!,
  );
  const target = new Target();
  const found = await replayWal({
    ...target.options,
    store: await storeOf(fixture),
    from: manifest.replayAfterWalId + 1,
    lastL0Seq: manifest.lastL0Seq,
  });
  assertEquals(found, { lastSeq: 21n, lastWalId: 4, rows: 2 });
  assertEquals(target.takeRows().map(({ seq }) => seq), [20n, 21n]);
});

test("replayWal() cuts memtables between batches and stamps them safely", async () => {
  const fixture = await loadFixture("slatedb-0.12", "layers");
  const store = await storeOf(fixture);
  const lastOf = new Map<number, bigint>();
  for (const id of walIds(fixture)) {
    const whole = new Target();
    const { rows, lastSeq } = await replayWal({
      ...whole.options,
      store,
      from: id,
      to: id,
      lastL0Seq: 0n,
    });
    lastOf.set(id, rows === 0 ? 0n : lastSeq);
    whole.takeRows();
  }
  const target = new Target(2000);
  const batches: bigint[] = [];
  await replayWal({
    ...target.options,
    store,
    from: 1,
    to: 8,
    lastL0Seq: 0n,
    onBatch: (seq, createTs) => {
      assert(createTs !== undefined);
      batches.push(seq);
    },
  });
  assert(target.frozen.length > 10);
  assertEquals(batches.length, 1002);
  let before = 0n;
  for (const { memtable, stamp } of target.frozen) {
    assert(memtable.firstSeq > before, "a batch lies in two memtables");
    before = memtable.lastSeq;
    for (const [id, last] of lastOf) {
      if (id <= stamp) assert(last <= before, `file ${id} is not all in`);
    }
  }
  assertEquals(target.takeRows().length, 1002);
});

test("replayWal() waits while memtables are frozen", async () => {
  const fixture = await loadFixture("slatedb-0.12", "layers");
  const target = new Target(2000);
  let waiting = 0;
  const { freeze } = target.options;
  await replayWal({
    ...target.options,
    freeze: async (stamp) => {
      assertEquals(waiting++, 0);
      await Promise.resolve();
      freeze(stamp);
      waiting--;
    },
    store: await storeOf(fixture),
    from: 1,
    to: 8,
    lastL0Seq: 0n,
  });
  assertEquals(target.takeRows().length, 1002);
});

/** A file that holds these rows in this order, as nobody should write it. */
async function fileOf(rows: readonly Row[]): Promise<Uint8Array> {
  const memtable = new Memtable(KERNEL, new MemoryBudget());
  for (const row of rows) {
    memtable.insert(
      row.key,
      row.value,
      rowFlags(row),
      row.seq,
      row.createTs ?? 0n,
      row.expireTs ?? 0n,
    );
  }
  const encoder = new SstEncoder(KERNEL, {
    sstType: "wal",
    blockBytes: 1024,
    compression: "none",
    filterBitsPerKey: 10,
    minFilterKeys: 1000,
    runtime: systemRuntime,
  });
  await encoder.addChain(memtable.firstRecord, memtable.lastRecord);
  const { body } = await encoder.finish();
  encoder.dispose();
  memtable.release();
  return body;
}

function row(key: string, seq: bigint, value: string, more: Partial<Row> = {}) {
  return {
    key: toBytes(key),
    value: toBytes(value),
    seq,
    kind: "put" as const,
    createTs: 1000n,
    ...more,
  };
}

test("replayWal() folds rows of one key and number in file order", async () => {
  const merge = { kind: "merge" as const };
  const store = new MemoryStore();
  await store.put(
    walName("db", 1),
    await fileOf([
      row("a", 1n, "1;", { ...merge, expireTs: 5000n }),
      row("a", 1n, "2;", { ...merge, expireTs: 4000n }),
      row("a", 1n, "3;", merge),
      row("b", 1n, "put;"),
      row("b", 1n, "on top;", merge),
      row("c", 1n, "1;", merge),
      row("c", 1n, "wins;"),
      row("d", 1n, "", { kind: "delete" }),
      row("d", 1n, "1;", merge),
    ]),
  );
  const target = new Target();
  const options = { ...target.options, store, from: 1, lastL0Seq: 0n };
  const { rows } = await replayWal(options);
  assertEquals(rows, 9);
  assertEquals(target.takeRows(), [
    row("a", 1n, "1;2;3;", { ...merge, expireTs: 4000n }),
    row("b", 1n, "put;on top;"),
    row("c", 1n, "wins;"),
    row("d", 1n, "1;"),
  ]);
  const without = new Target();
  const error = await assertRejects(() =>
    replayWal({ ...options, ...without.options, mergeOperator: undefined })
  ) as DbError;
  assertEquals(error.kind, "invalid");
  without.takeRows();
});

test("replayWal() reads files whose numbers overlap, and says so", async () => {
  const store = new MemoryStore();
  const warnings: string[] = [];
  await store.put(walName("db", 1), await fileOf([row("a", 5n, "new")]));
  await store.put(
    walName("db", 2),
    await fileOf([row("a", 4n, "old"), row("b", 6n, "b")]),
  );
  const target = new Target(1);
  const found = await replayWal({
    ...target.options,
    logger: { ...silentLogger, warn: (text) => warnings.push(text) },
    store,
    from: 1,
    lastL0Seq: 0n,
  });
  assertEquals(found, { lastSeq: 6n, lastWalId: 2, rows: 3 });
  assertEquals(warnings.length, 1);
  // The old row came late, so nothing could be cut before it.
  assertEquals(target.frozen.map(({ stamp }) => stamp), [1]);
  assertEquals(target.frozen[0]!.memtable.lastSeq, 5n);
  assertEquals(target.takeRows().map(({ seq }) => seq), [6n, 5n, 4n]);
});

test("replayWal() tells a gap from the end of the log", async () => {
  const fixture = await loadFixture("slatedb-0.12", "layers");
  const store = await storeOf(fixture);
  await store.delete(walName("db", 6));
  const replay = (options: Partial<ReplayOptions>) => {
    const target = new Target();
    return replayWal({
      ...target.options,
      store,
      from: 1,
      lastL0Seq: 0n,
      ...options,
    }).finally(() => target.takeRows());
  };
  const met = await assertRejects(() => replay({})) as DbError;
  assertEquals(met.kind, "data");
  const gap = await assertRejects(() => replay({ to: 8 })) as DbError;
  assertEquals(gap.kind, "data");
  const fenced = await assertRejects(() =>
    replay({ to: 8, explainGap: () => Promise.reject(fencedError()) })
  ) as DbError;
  assertEquals(fenced.reason, "fenced");
  assertEquals((await replay({ from: 9 })).lastWalId, 8);
});

test("replayWal() names the damaged file and frees what it held", async () => {
  const fixture = await loadFixture("slatedb-0.12", "layers");
  const store = await storeOf(fixture);
  const file = fixture.files.get(walName("db", 5))!;
  const before = KERNEL.exports.memory_used();
  for (let at = 0; at < file.length; at += 97) {
    for (const damaged of [file.slice(0, at), flipped(file, at)]) {
      await store.put(walName("db", 5), damaged);
      const target = new Target();
      const replay = replayWal({
        ...target.options,
        store,
        from: 4,
        to: 5,
        lastL0Seq: 0n,
      });
      // A file without bytes is a fence.
      if (damaged.length > 0) {
        const error = await assertRejects(() => replay) as DbError;
        assertEquals(error.kind, "data");
        assert(error.message.includes("WAL file 5"), error.message);
      } else await replay;
      target.takeRows();
    }
  }
  assertEquals(KERNEL.exports.memory_used(), before);
});

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy[at]! ^= 0x10;
  return copy;
}
