import fc from "fast-check";
import { assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { utf8 } from "./kernels.ts";
import {
  compareTestRows,
  compileCursors,
  createCursorKernel,
  createCursorTwin,
  type CursorKernel,
  insert,
  put,
  readRow,
  someKey,
  someRow,
  sortRows,
  type TestCursor,
  type TestRow,
} from "./memtables.ts";

const module = await compileCursors();
const SUBJECTS: readonly (readonly [string, () => CursorKernel])[] = [
  ["kernel", () => createCursorKernel(module)],
  ["twin", createCursorTwin],
];

/** A memtable as a sorted array, and a cursor over it. */
class ModelCursor {
  readonly rows: TestRow[] = [];
  #current: TestRow | undefined;

  insert(row: TestRow): void {
    const at = this.rows.findIndex((other) => compareTestRows(other, row) >= 0);
    const there = this.rows[at];
    const replaces = there !== undefined && compareTestRows(there, row) === 0;
    this.rows.splice(
      at < 0 ? this.rows.length : at,
      replaces ? 1 : 0,
      row,
    );
  }

  seekFirst() {
    return this.#current = this.rows[0];
  }

  seekLast() {
    return this.#current = this.rows.at(-1);
  }

  seek(key: Uint8Array, inclusive: boolean) {
    const bound = { ...put(key, 0), seq: inclusive ? 1n << 64n : -1n };
    return this.#current = this.rows.find((row) =>
      compareTestRows(row, bound) > 0
    );
  }

  seekBack(key: Uint8Array, inclusive: boolean) {
    const bound = { ...put(key, 0), seq: inclusive ? -1n : 1n << 64n };
    return this.#current = this.rows.findLast((row) =>
      compareTestRows(row, bound) < 0
    );
  }

  next() {
    const from = this.#current;
    return this.#current = from &&
      this.rows.find((row) => compareTestRows(row, from) > 0);
  }

  prev() {
    const from = this.#current;
    return this.#current = from &&
      this.rows.findLast((row) => compareTestRows(row, from) < 0);
  }
}

type Step =
  | { readonly do: "insert"; readonly row: TestRow }
  | { readonly do: "seekFirst" | "seekLast" | "next" | "prev" }
  | {
    readonly do: "seek" | "seekBack";
    readonly key: Uint8Array;
    readonly inclusive: boolean;
  };

const someStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: someRow.map((row) => ({ do: "insert" as const, row })),
  },
  {
    weight: 8,
    arbitrary: fc.constantFrom<Step>({ do: "next" }, { do: "prev" }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Step>({ do: "seekFirst" }, { do: "seekLast" }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom("seek" as const, "seekBack" as const),
      key: someKey,
      inclusive: fc.boolean(),
    }),
  },
);

function move<Place>(
  cursor:
    & {
      [Name in Exclude<keyof TestCursor, "seek" | "seekBack">]: () => Place;
    }
    & {
      [Name in "seek" | "seekBack"]: (
        key: Uint8Array,
        inclusive: boolean,
      ) => Place;
    },
  step: Exclude<Step, { do: "insert" }>,
): Place {
  return "key" in step
    ? cursor[step.do](step.key, step.inclusive)
    : cursor[step.do]();
}

function walk(move: () => number, first: number): number[] {
  const records: number[] = [];
  for (let at = first; at !== 0; at = move()) records.push(at);
  return records;
}

for (const [name, create] of SUBJECTS) {
  test(`a cursor of the ${name} moves as a sorted array does, between inserts`, () => {
    const { kernel, cursor: open } = create();
    const input = fc.record({
      before: fc.array(someRow, { maxLength: 300, size: "max" }),
      steps: fc.array(someStep, { maxLength: 150, size: "max" }),
    });
    fc.assert(fc.property(input, ({ before, steps }) => {
      const memtable = kernel.exports.memtable_create();
      const cursor = open(memtable);
      const model = new ModelCursor();
      const put = (row: TestRow) => {
        insert(kernel, memtable, row);
        model.insert(row);
      };
      before.forEach(put);
      for (const step of steps) {
        if (step.do === "insert") {
          put(step.row);
          continue;
        }
        const record = move(cursor, step);
        assertEquals(readRow(kernel, record), move(model, step));
      }
      kernel.exports.memtable_free(memtable);
    }));
  });

  test(`a cursor of the ${name} has nothing to say about an empty memtable`, () => {
    const { kernel, cursor: open } = create();
    const cursor = open(kernel.exports.memtable_create());
    assertEquals(cursor.next(), 0);
    assertEquals(cursor.prev(), 0);
    assertEquals(cursor.seekFirst(), 0);
    assertEquals(cursor.seekLast(), 0);
    assertEquals(cursor.seek(utf8("a"), true), 0);
    assertEquals(cursor.seekBack(utf8("a"), true), 0);
    assertEquals(cursor.next(), 0);
  });

  test(`a cursor of the ${name} stays at an end until it seeks`, () => {
    const { kernel, cursor: open } = create();
    const memtable = kernel.exports.memtable_create();
    insert(kernel, memtable, put("a", 1));
    const cursor = open(memtable);
    cursor.seekFirst();
    assertEquals(cursor.next(), 0);
    insert(kernel, memtable, put("b", 2));
    assertEquals(cursor.next(), 0);
    assertEquals(cursor.prev(), 0);
    assertEquals(readRow(kernel, cursor.seekLast()), put("b", 2));
  });

  test(`a cursor of the ${name} walks any order of inserts, both ways`, () => {
    const { kernel, cursor: open } = create();
    // Past 48 * 48 rows a tree has three levels.
    const count = name === "twin" ? 2_000 : 12_000;
    const orders: Record<string, (i: number) => number> = {
      rising: (i) => i,
      falling: (i) => count - 1 - i,
      scattered: (i) => (i * 7919) % count,
      outwards: (i) => count / 2 + (i % 2 === 0 ? i / 2 : -(i + 1) / 2) | 0,
    };
    for (const [order, place] of Object.entries(orders)) {
      for (const stem of ["", "a stem of sixteen"]) {
        const memtable = kernel.exports.memtable_create();
        const key = (i: number) => `${stem}${`${place(i)}`.padStart(12, "0")}`;
        const records = new Map<string, number>();
        for (let i = 0; i < count; i++) {
          const row = put(key(i), 1);
          records.set(key(i), insert(kernel, memtable, row).record);
        }
        const expected = [...records.keys()].sort()
          .map((key) => records.get(key)!);
        const cursor = open(memtable);
        const forth = walk(() => cursor.next(), cursor.seekFirst());
        assertEquals(forth.join() === expected.join(), true, order);
        const back = walk(() => cursor.prev(), cursor.seekLast()).reverse();
        assertEquals(back.join() === expected.join(), true, order);
        kernel.exports.memtable_free(memtable);
      }
    }
  });
}

test("a cursor of the kernel walks a tree of four levels", () => {
  const { kernel, cursor: open } = createCursorKernel(module);
  const memtable = kernel.exports.memtable_create();
  const count = 130_000;
  const key = new Uint8Array(9).fill(7);
  const view = new DataView(key.buffer);
  for (let i = 0; i < count; i++) {
    // Half of them rising, the other half scattered among those.
    const place = i % 2 === 0 ? i : (i * 7919) % count;
    view.setUint32(4, place);
    insert(kernel, memtable, put(key, 1));
  }
  const cursor = open(memtable);
  const forth = walk(() => cursor.next(), cursor.seekFirst());
  assertEquals(forth.length, kernel.u32[memtable >> 2]);
  const places = forth.map((at) =>
    new DataView(kernel.u8.buffer, at + 44).getUint32(0)
  );
  assertEquals(
    places.every((place, i) => i === 0 || place > places[i - 1]!),
    true,
  );
  assertEquals(
    walk(() => cursor.prev(), cursor.seekLast()).length,
    forth.length,
  );
});

test("a cursor of the kernel outlives a memtable's growth under it", () => {
  const { kernel, cursor: open } = createCursorKernel(module);
  const memtable = kernel.exports.memtable_create();
  const rows: TestRow[] = [];
  const add = (i: number, seq: number) => {
    const row = put(`k${`${i}`.padStart(9, "0")}`, seq);
    rows.push(row);
    insert(kernel, memtable, row);
  };
  for (let i = 0; i < 40_000; i += 40) add(i, 1);
  const cursor = open(memtable);
  let seen = 0;
  let last: TestRow | undefined;
  for (let at = cursor.seekFirst(); at !== 0; at = cursor.next()) {
    const row = readRow(kernel, at)!;
    if (last !== undefined) assertEquals(compareTestRows(last, row) < 0, true);
    last = row;
    seen++;
    // Ahead, behind, and a replacement of the very row it stands on.
    add((seen * 7919) % 40_000, seen + 1);
    insert(kernel, memtable, row);
  }
  const sorted = sortRows(rows);
  const back = walk(() => cursor.prev(), cursor.seekLast()).reverse();
  assertEquals(back.length, sorted.length);
  back.forEach((record, i) => assertEquals(readRow(kernel, record), sorted[i]));
});
