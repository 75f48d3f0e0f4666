/**
 * What every object store must do when it is read.
 *
 * @module
 */
import type { ByteRange, ObjectStore } from "../object_store/object_store.ts";
import { sampleBytes } from "./store_samples.ts";
import {
  expectDbError,
  expectReason,
  expectSame,
  type SuiteCase,
} from "./suite_case.ts";

const BODY = sampleBytes(100);

/** Ranges of {@linkcode BODY}, and which bytes each means. */
const RANGES: readonly (readonly [ByteRange, number, number])[] = [
  [{ start: 0 }, 0, 100],
  [{ start: 0, end: 1 }, 0, 1],
  [{ start: 10, end: 20 }, 10, 20],
  [{ start: 99 }, 99, 100],
  [{ start: 90, end: 100 }, 90, 100],
  [{ start: 90, end: 101 }, 90, 100],
  [{ start: 50, end: 2 ** 40 }, 50, 100],
  [{ start: 100 }, 100, 100],
  [{ start: 100, end: 110 }, 100, 100],
  [{ start: 500, end: 600 }, 100, 100],
  [{ start: 20, end: 20 }, 20, 20],
  [{ suffix: 1 }, 99, 100],
  [{ suffix: 100 }, 0, 100],
  [{ suffix: 1000 }, 0, 100],
  [{ suffix: 0 }, 100, 100],
];

const BAD_RANGES: readonly ByteRange[] = [
  { start: -1 },
  { start: 2, end: 1 },
  { start: 0.5 },
  { start: 0, end: NaN },
  { suffix: -1 },
  { suffix: 1.5 },
];

/** Requirements of `get` and `head`. */
export const READ_CASES: readonly SuiteCase<ObjectStore>[] = [
  {
    name: "get() and head() of an absent object are undefined",
    async run(store) {
      await store.put("a/b", BODY);

      for (const name of ["x", "x/y", "a", "a/b/c", "a/bc"]) {
        expectSame(await store.get(name), undefined, `get(${name})`);
        expectSame(await store.head(name), undefined, `head(${name})`);
      }
    },
  },
  {
    name: "get() returns the bytes and what is known about them",
    async run(store) {
      await store.put("a/b", BODY);

      const result = await store.get("a/b");

      expectSame(result?.bytes, BODY, "bytes");
      const { name, size, etag, lastModified } = result!.meta;
      expectSame([name, size], ["a/b", 100], "name and size");
      expectSame(etag.length > 0, true, "having an etag");
      expectSame(lastModified > 0, true, "having a time");
    },
  },
  {
    name: "get() returns the range asked for, cut at the end",
    async run(store) {
      await store.put("a", BODY);

      for (const [range, start, end] of RANGES) {
        const what = JSON.stringify(range);
        const result = await store.get("a", { range });
        expectSame(result?.bytes, BODY.slice(start, end), what);
        expectSame(result?.meta.size, 100, `meta.size of ${what}`);
      }
    },
  },
  {
    name: "get() of a range of an absent or an empty object",
    async run(store) {
      await store.put("empty", new Uint8Array(0));

      const ranges = [{ start: 0 }, { start: 3, end: 9 }, { suffix: 4 }];
      for (const range of ranges) {
        const what = JSON.stringify(range);
        expectSame(await store.get("absent", { range }), undefined, what);
        const result = await store.get("empty", { range });
        expectSame(result?.bytes, new Uint8Array(0), what);
      }
    },
  },
  {
    name: "get() refuses a range that is none",
    async run(store) {
      await store.put("a", BODY);

      for (const range of BAD_RANGES) {
        const call = () => store.get("a", { range });
        await expectDbError(call, "invalid", `get(${JSON.stringify(range)})`);
      }
    },
  },
  {
    name: "get() gives bytes the caller may change",
    async run(store) {
      await store.put("a", BODY);

      (await store.get("a"))?.bytes.fill(0);
      (await store.get("a", { range: { start: 0, end: 9 } }))?.bytes.fill(0);

      expectSame((await store.get("a"))?.bytes, BODY);
    },
  },
  {
    name: "head() says what get() says",
    async run(store) {
      await store.put("a", BODY);

      expectSame(await store.head("a"), (await store.get("a"))?.meta);
    },
  },
  {
    name: "get() of an object of several megabytes, whole and in parts",
    async run(store) {
      const bytes = sampleBytes(5 * 1024 * 1024 + 3);
      await store.put("large", bytes);

      expectSame((await store.get("large"))?.bytes, bytes, "all of it");
      const range = { start: 1_000_000, end: 4_000_001 };
      const part = await store.get("large", { range });
      expectSame(part?.bytes, bytes.slice(1_000_000, 4_000_001), "a part");
    },
  },
  {
    name:
      "get() and head() with a signal that has fired reject with its reason",
    async run(store) {
      await store.put("a", BODY);
      const reason = new Error("enough");
      const signal = AbortSignal.abort(reason);

      await expectReason(() => store.get("a", { signal }), reason, "get()");
      await expectReason(() => store.head("a", { signal }), reason, "head()");
    },
  },
];
