import fc from "fast-check";
import { test } from "../support/test.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";
import { concatBytes, toHex } from "../../lib/base/bytes.ts";
import { compareRows, type Row } from "../../lib/base/row.ts";
import { systemRuntime } from "../../lib/base/runtime.ts";
import {
  readRow,
  rowFlags,
  rowRecordBytes,
} from "../../lib/codec/row_record.ts";
import { foldForRewrite } from "../../lib/iter/fold.ts";
import type { MergeOperator } from "../../lib/iter/merge_operator.ts";
import { retainVersions } from "../../lib/iter/retain.ts";
import { Memtable } from "../../lib/memtable/memtable.ts";
import { type RewriteOptions, rewriteRows } from "../../lib/sst/rewrite.ts";
import { TableSource } from "../../lib/sst/table_source.ts";
import { createWorld, plainRows, storeTable, type World } from "./world.ts";

const CONCAT: MergeOperator = {
  merge: (_key, existing, operand) =>
    concatBytes(existing === undefined ? [operand] : [existing, operand]),
};

/** Memtables and tables over the given rows, newest first, rewritten. */
async function rewrite(
  world: World,
  layers: readonly Row[][],
  options: Partial<RewriteOptions>,
): Promise<Row[]> {
  const { kernel } = world;
  const memtables: Memtable[] = [];
  const closing: (() => void)[] = [];
  const sources = await Promise.all(layers.map(async (rows, i) => {
    if (i === 0) {
      const memtable = new Memtable(kernel, world.budget);
      memtables.push(memtable);
      for (const row of rows) insert(memtable, row);
      closing.push(() => memtable.release());
      return memtable;
    }
    const table = await storeTable(world, rows, { blockBytes: 1024 });
    closing.push(() => table.release());
    return new TableSource([table], {
      descending: false,
      cacheBlocks: false,
      readAheadBytes: 4096,
      maxFetchTasks: 2,
    });
  }));
  const written: Row[] = [];
  try {
    await rewriteRows({
      kernel,
      runtime: systemRuntime,
      sources,
      retainSeq: 0n,
      nowMs: 0n,
      dropTombstones: false,
      maxFetchTasks: 2,
      ...options,
    }, {
      add(pointer, bytes) {
        for (let at = pointer; at < pointer + bytes;) {
          const row = readRow(kernel, at);
          written.push(row);
          at += rowRecordBytes(row);
        }
        return undefined;
      },
    });
  } finally {
    for (const close of closing) close();
  }
  assertEquals(world.budget.cacheUsed, 0);
  return written;
}

function insert(memtable: Memtable, row: Row): void {
  const { key, value, seq, createTs = 0n, expireTs = 0n } = row;
  memtable.insert(key, value, rowFlags(row), seq, createTs, expireTs);
}

const arbitraryRow: fc.Arbitrary<Row> = fc.record({
  key: fc.uint8Array({ minLength: 1, maxLength: 2, max: 3 }),
  seq: fc.bigInt({ min: 1n, max: 60n }),
  kind: fc.constantFrom("put", "put", "merge", "delete"),
  expireTs: fc.option(fc.bigInt({ min: 1n, max: 4n }), { nil: undefined }),
  long: fc.boolean(),
}).map(({ key, seq, kind, expireTs, long }): Row => ({
  key,
  value: kind === "delete"
    ? new Uint8Array(0)
    : new Uint8Array(long ? 200 : 1).fill(Number(seq)),
  seq,
  kind,
  createTs: seq * 2n,
  ...(expireTs === undefined || kind === "delete" ? {} : { expireTs }),
}));

const arbitraryLayers = fc.uniqueArray(arbitraryRow, {
  selector: ({ key, seq }) => `${toHex(key)}@${seq}`,
  maxLength: 80,
}).chain((rows) =>
  fc.array(fc.nat(2), { minLength: rows.length, maxLength: rows.length })
    .map((layers) =>
      [0, 1, 2].map((layer) =>
        rows.filter((_, i) => layers[i] === layer).sort(compareRows)
      )
    )
).filter(([, first, second]) => first!.length > 0 && second!.length > 0);

const arbitraryOptions = fc.record({
  retainSeq: fc.bigInt({ min: 0n, max: 60n }),
  nowMs: fc.bigInt({ min: 0n, max: 4n }),
  dropTombstones: fc.boolean(),
});

function expected(
  layers: readonly Row[][],
  options: Pick<RewriteOptions, "retainSeq" | "nowMs" | "dropTombstones">,
  operator: MergeOperator | undefined,
): Row[] {
  const groups = new Map<string, Row[]>();
  for (const row of layers.flat().sort(compareRows)) {
    const key = toHex(row.key);
    groups.set(key, [...groups.get(key) ?? [], row]);
  }
  return [...groups.values()].flatMap((rows) =>
    retainVersions(
      operator === undefined
        ? rows
        : foldForRewrite(rows, operator, options.retainSeq),
      options,
    )
  );
}

for (const operator of [undefined, CONCAT]) {
  const way = operator === undefined ? "without an operator" : "with one";
  test(`property: rewriteRows() ${way} keeps what retention asks for`, async () => {
    await fc.assert(
      fc.asyncProperty(
        arbitraryLayers,
        arbitraryOptions,
        async (layers, options) => {
          const written = await rewrite(createWorld(), layers, {
            ...options,
            operator,
          });

          assertEquals(written, expected(layers, options, operator));
        },
      ),
      { numRuns: 150 },
    );
  });
}

test("property: rewriteRows() takes both ways to the same rows where there are no operands", async () => {
  await fc.assert(
    fc.asyncProperty(
      arbitraryLayers,
      arbitraryOptions,
      async (layers, options) => {
        const plain = layers.map((rows) =>
          rows.map((row): Row =>
            row.kind === "merge" ? { ...row, kind: "put" } : row
          )
        );

        assertEquals(
          await rewrite(createWorld(), plain, { ...options, operator: CONCAT }),
          await rewrite(createWorld(), plain, options),
        );
      },
    ),
    { numRuns: 100 },
  );
});

test("rewriteRows() stays inside its range", async () => {
  const rows = plainRows(400);
  const range = {
    lower: { key: rows[100]!.key, inclusive: true },
    upper: { key: rows[300]!.key, inclusive: false },
  };

  const written = await rewrite(createWorld(), [[], rows], { range });

  assertEquals(written, rows.slice(100, 300));
});

test("rewriteRows() ends with its signal's reason", async () => {
  const reason = new Error("enough");
  const rows = plainRows(10);

  const failure = await assertRejects(() =>
    rewrite(createWorld(), [rows], { signal: AbortSignal.abort(reason) })
  );

  assertEquals(failure, reason);
});
