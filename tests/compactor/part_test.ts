import * as fc from "fast-check";
import { toHex } from "../../lib/base/bytes.ts";
import type { DbError } from "../../lib/base/errors.ts";
import type { Row, RowKind } from "../../lib/base/row.ts";
import { runPart } from "../../lib/compactor/part.ts";
import { divide, planRanges } from "../../lib/compactor/subcompactions.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { FaultStore } from "../../lib/testing/fault_store.ts";
import { rows, showAll } from "../iter/rows.ts";
import { createWorld, plainRows } from "../sst/world.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";
import {
  compact,
  concat,
  hooks,
  isOrdered,
  requestOf,
  toolsOf,
  visible,
} from "./parts.ts";

/** Writes in order, and where one source ends and the next begins. */
const history = fc.record({
  writes: fc.array(
    fc.record({
      key: fc.integer({ min: 0, max: 12 }),
      kind: fc.constantFrom<RowKind>("put", "merge", "delete"),
      value: fc.uint8Array({ minLength: 1, maxLength: 60 }),
      expireTs: fc.option(fc.bigInt({ min: 1n, max: 40n }), { nil: undefined }),
    }),
    { maxLength: 120 },
  ),
  cuts: fc.array(fc.integer({ min: 0, max: 120 }), { maxLength: 6 }),
  retain: fc.integer({ min: 0, max: 120 }),
  tick: fc.bigInt({ min: 0n, max: 40n }),
  bottom: fc.boolean(),
  fold: fc.boolean(),
  maxSstBytes: fc.constantFrom(1, 1024, 1_000_000),
  parts: fc.integer({ min: 1, max: 4 }),
});

function rowsOf(
  writes: readonly {
    key: number;
    kind: RowKind;
    value: Uint8Array;
    expireTs: bigint | undefined;
  }[],
): Row[] {
  return writes.map(({ key, kind, value, expireTs }, i) => ({
    key: new TextEncoder().encode(`key${String(key).padStart(2, "0")}`),
    value: kind === "delete" ? new Uint8Array(0) : value,
    seq: BigInt(i + 1),
    kind,
    createTs: BigInt(i),
    ...(expireTs === undefined || kind === "delete" ? {} : { expireTs }),
  }));
}

test("runPart() leaves every reader what it saw before", async () => {
  await fc.assert(
    fc.asyncProperty(history, async (drawn) => {
      const all = rowsOf(drawn.writes);
      const cuts = [...drawn.cuts, 0, all.length].sort((a, b) => a - b);
      const sources = cuts.slice(1).map((cut, i) => all.slice(cuts[i], cut))
        .reverse();
      // The oldest source lies beneath where this is not the bottom.
      const beneath = drawn.bottom ? [] : sources.pop() ?? [];
      const world = createWorld();
      const retainSeq = BigInt(Math.min(drawn.retain, all.length));
      const request = await requestOf(world, sources, {
        retainSeq,
        clockTick: drawn.tick,
        bottom: drawn.bottom,
      });
      const outputs = await compact(world, request, {
        mergeOperator: drawn.fold ? concat : undefined,
        maxSstBytes: drawn.maxSstBytes,
      });
      const made = outputs.flat();
      assert(isOrdered(made));
      checkKeysWhole(outputs);
      const before = sources.flat().concat(beneath);
      const after = made.concat(beneath);
      for (let seq = retainSeq; seq <= BigInt(all.length); seq++) {
        for (const nowMs of [drawn.tick, drawn.tick + 5n, 100n]) {
          assertEquals(visible(after, seq, nowMs), visible(before, seq, nowMs));
        }
      }
    }),
    { numRuns: 150 },
  );
});

test("runPart() does the same in parts as in one piece", async () => {
  await fc.assert(
    fc.asyncProperty(history, async (drawn) => {
      const all = rowsOf(drawn.writes);
      const world = createWorld();
      const request = await requestOf(world, [all], {
        retainSeq: BigInt(drawn.retain),
        clockTick: drawn.tick,
      });
      const options = { mergeOperator: drawn.fold ? concat : undefined };
      const whole = await compact(world, request, options);
      const anchors = all.map(({ key, value }) => ({
        key,
        bytes: value.length,
      }));
      const pieces: Row[] = [];
      for (const range of divide(anchors, drawn.parts, 1)) {
        const part = await compact(world, { ...request, range }, options);
        pieces.push(...part.flat());
      }
      assertEquals(showAll(pieces), showAll(whole.flat()));
    }),
    { numRuns: 60 },
  );
});

test("runPart() goes on where an earlier attempt stopped", async () => {
  await fc.assert(
    fc.asyncProperty(
      history,
      fc.integer({ min: 1, max: 20 }),
      fc.boolean(),
      async (drawn, stored, midKey) => {
        const all = rowsOf(drawn.writes);
        const world = createWorld();
        const request = await requestOf(world, [all], {
          retainSeq: BigInt(drawn.retain),
          clockTick: drawn.tick,
        });
        const options = {
          mergeOperator: drawn.fold ? concat : undefined,
          maxSstBytes: 256,
        };
        const whole = (await compact(world, request, options)).flat();
        // SlateDB may have stopped between two versions of a key.
        const cut = Math.min(stored, whole.length);
        const done = midKey ? whole.slice(0, cut) : wholeKeys(whole, cut);
        if (done.length === 0) return;
        const { l0: written } = await requestOf(world, [done]);
        const rest = await compact(world, { ...request, written }, options);
        assertEquals(showAll(rest.flat()), showAll(whole));
      },
    ),
    { numRuns: 80 },
  );
});

test("runPart() cuts SSTs by size, and never within a key", async () => {
  const world = createWorld();
  const versions = Array.from({ length: 200 }, (_, i) => ({
    ...plainRows(6)[5]!,
    seq: BigInt(1000 + i),
  }));
  const request = await requestOf(world, [[...plainRows(100), ...versions]], {
    retainSeq: 0n,
  });
  const outputs = await compact(world, request, { maxSstBytes: 3000 });
  checkKeysWhole(outputs);
  assertEquals(outputs.flat().length, 300);
  const sizes = outputs.map((rows) => rows.length);
  assert(sizes[0]! > 200, `the key with 201 versions is in one SST: ${sizes}`);
  for (const size of sizes.slice(1, -1)) assert(size >= 20 && size < 40);
});

test("runPart() drops tombstones and expired rows at the bottom alone", async () => {
  const world = createWorld();
  const sources = [rows("a@9! b@8=x~50"), rows("a@1=v b@2=w c@3=y~60")];
  const options = { clockTick: 50n };
  const bottom = await requestOf(world, sources, options);
  assertEquals(
    showAll((await compact(world, bottom)).flat()),
    "c@3=y~60",
  );
  const above = { ...bottom, bottom: false };
  assertEquals(
    showAll((await compact(world, above)).flat()),
    "a@9! b@8! c@3=y~60",
  );
});

test("runPart() stores nothing where nothing is left", async () => {
  const world = createWorld();
  const request = await requestOf(world, [rows("a@2!"), rows("a@1=v")]);
  const result = await runPart(request, toolsOf(world), hooks());
  assertEquals(result.outputs, []);
  assertEquals(result.rowsRead, 2);
});

test("runPart() asks the compaction filter about what is left", async () => {
  const world = createWorld();
  const seen: string[] = [];
  let ended = 0;
  const request = await requestOf(world, [
    rows("a@9=1 b@8=2 c@7+3 d@6=4"),
    rows("a@1=0 c@2=5"),
  ]);
  const made = await compact(world, request, {
    mergeOperator: concat,
    compactionFilter: ({ bottom, destination }) => {
      assertEquals([bottom, destination], [true, 0]);
      return {
        filter: (row) => {
          seen.push(showAll([row]));
          const key = toHex(row.key);
          if (key === "61") return "drop";
          if (key === "62") return "delete";
          if (key === "63") {
            return Promise.resolve({ put: new Uint8Array([0x78]) });
          }
          return "keep";
        },
        end: () => void ended++,
      };
    },
  });
  assertEquals(seen, ["a@9=1", "b@8=2", "c@7=53", "d@6=4"]);
  assertEquals(showAll(made.flat()), "b@8! c@7=x d@6=4");
  assertEquals(ended, 1);
});

test("runPart() fails with what a filter or operator throws", async () => {
  const world = createWorld();
  const request = await requestOf(world, [rows("a@2+x a@1+y")]);
  const broken = () => {
    throw new Error("broken");
  };
  for (
    const options of [
      { mergeOperator: { merge: broken } },
      { compactionFilter: () => ({ filter: broken }) },
      { compactionFilter: () => ({ filter: () => 7 as never }) },
    ]
  ) {
    const error = await assertRejects(() =>
      compact(world, request, options)
    ) as DbError;
    assertEquals(error.kind, "invalid");
  }
});

test("runPart() streams long SSTs and leaves nothing of one that failed", async () => {
  const memory = new MemoryStore();
  const store = new FaultStore(memory);
  const world = createWorld({ store });
  const sources = [
    plainRows(40_000, 300).map((row) => ({
      ...row,
      value: row.value.map((_, i) => (i * Number(row.seq)) & 0xff),
    })),
  ];
  const request = await requestOf(world, sources);
  const tools = { maxSstBytes: 1 << 30 };
  const [made] = await compact(world, request, tools);
  assertEquals(showAll(made!.slice(-5)), showAll(sources[0]!.slice(-5)));
  assertEquals(made!.length, 40_000);
  const stop = new AbortController();
  const stopped = await assertRejects(() =>
    runPart(
      request,
      toolsOf(world, tools),
      hooks({
        signal: stop.signal,
        onProgress: () => stop.abort(new Error("enough")),
      }),
    )
  ) as Error;
  assertEquals(stopped.message, "enough");
});

test("runPart() goes on from the last SST when a put fails for a while", async () => {
  const store = new FaultStore(new MemoryStore());
  const world = createWorld({ store });
  const request = await requestOf(world, [plainRows(300)]);
  let puts = 0;
  store.plan = ({ operation }) =>
    operation === "put" && ++puts === 3 ? { kind: "fail-before" } : undefined;
  const made = await compact(world, request, { maxSstBytes: 8000 });
  assertEquals(showAll(made.flat()), showAll(plainRows(300)));
});

test("runPart() fails where an input is missing", async () => {
  const world = createWorld();
  const request = await requestOf(world, [plainRows(10)]);
  await world.store.delete(`db/compacted/${request.l0[0]!.id}.sst`);
  const error = await assertRejects(() => compact(world, request)) as DbError;
  assertEquals(error.kind, "data");
  assert(error.message.includes(request.l0[0]!.id));
});

test("runPart() leaves no memory behind", async () => {
  const world = createWorld();
  const request = await requestOf(world, [plainRows(500)]);
  await compact(world, request);
  const before = world.kernel.exports.memory_used();
  for (let i = 0; i < 3; i++) await compact(world, request);
  const stop = new AbortController();
  await assertRejects(() =>
    runPart(
      request,
      toolsOf(world),
      hooks({ signal: stop.signal, onProgress: () => stop.abort() }),
    )
  );
  assertEquals(world.kernel.exports.memory_used(), before);
});

test("planRanges() divides what is large enough, by the inputs' blocks", async () => {
  const world = createWorld();
  const all = plainRows(400);
  const { l0 } = await requestOf(world, [
    all.filter((_, i) => i % 3 === 0),
    all.filter((_, i) => i % 3 === 1),
    all.filter((_, i) => i % 3 === 2),
  ]);
  const plan = (maxParts: number) =>
    planRanges({
      kernel: world.kernel,
      ssts: world.ssts,
      inputs: l0,
      externalDbs: [],
      maxParts,
      signal: new AbortController().signal,
    });
  assertEquals(await plan(1), [{}]);
  const ranges = await plan(3);
  assertEquals(ranges.length, 3);
  const request = await requestOf(world, [], { l0 });
  const sizes: number[] = [];
  for (const range of ranges) {
    const part = await compact(world, { ...request, range });
    sizes.push(part.flat().length);
  }
  assertEquals(sizes.reduce((a, b) => a + b), 400);
  for (const size of sizes) assert(size > 80 && size < 200, `${sizes}`);
  // No part is much smaller than the largest input.
  assertEquals((await plan(8)).length, 3);
});

function checkKeysWhole(outputs: readonly (readonly Row[])[]): void {
  outputs.forEach((rows, i) => {
    const next = outputs[i + 1]?.[0];
    if (next === undefined) return;
    assert(toHex(rows.at(-1)!.key) !== toHex(next.key), "a key is divided");
  });
}

/** At least so many rows, ending with a key's last version. */
function wholeKeys(all: readonly Row[], count: number): Row[] {
  let end = count;
  while (
    end > 0 && end < all.length &&
    toHex(all[end]!.key) === toHex(all[end - 1]!.key)
  ) end++;
  return all.slice(0, end);
}
