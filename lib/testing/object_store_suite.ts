/**
 * What every object store must do, as data: run it with any test framework
 * against stores of your own, each case against an empty one.
 *
 * ```ts ignore
 * for (const { name, run } of OBJECT_STORE_SUITE) {
 *   Deno.test(name, () => run(new MyStore()));
 * }
 * ```
 *
 * @module
 */
import type { ObjectStore, SyncReads } from "../object_store/object_store.ts";
import { CONDITION_CASES } from "./condition_cases.ts";
import { LIST_CASES } from "./list_cases.ts";
import { READ_CASES } from "./read_cases.ts";
import { bytesOf, sampleBytes } from "./store_samples.ts";
import { expectDbError, expectSame, type SuiteCase } from "./suite_case.ts";
import { WRITE_CASES } from "./write_cases.ts";

/** The requirements of {@linkcode ObjectStore}. */
export const OBJECT_STORE_SUITE: readonly SuiteCase<ObjectStore>[] = [
  ...READ_CASES,
  ...WRITE_CASES,
  ...CONDITION_CASES,
  ...LIST_CASES,
];

/** The requirements of stores that keep metadata. */
export const METADATA_SUITE: readonly SuiteCase<ObjectStore>[] = [
  {
    name: "put() keeps metadata for get(), head() and nobody else",
    async run(store) {
      const metadata = { slatedbputid: "01ABC", other: "x y" };
      await store.put("a", sampleBytes(3), { metadata });
      await store.put("b", sampleBytes(3));

      expectSame((await store.get("a"))?.meta.metadata, metadata, "of get()");
      expectSame((await store.head("a"))?.metadata, metadata, "of head()");
      expectSame((await store.head("b"))?.metadata, {}, "of another object");
    },
  },
  {
    name: "put() replaces metadata along with the bytes",
    async run(store) {
      await store.put("a", sampleBytes(3), { metadata: { one: "1" } });
      await store.put("a", sampleBytes(3), { metadata: { two: "2" } });

      expectSame((await store.head("a"))?.metadata, { two: "2" }, "metadata");

      await store.put("a", sampleBytes(3));
      expectSame((await store.head("a"))?.metadata, {}, "metadata");
    },
  },
  {
    name: "put() that lost leaves the winner's metadata",
    async run(store) {
      await store.put("a", sampleBytes(3), { metadata: { by: "winner" } });
      await store.put("a", sampleBytes(3), {
        mode: "create",
        metadata: { by: "loser" },
      });

      expectSame((await store.head("a"))?.metadata, { by: "winner" });
    },
  },
];

/** The requirements of stores with the synchronous door. */
export const SYNC_READS_SUITE: readonly SuiteCase<ObjectStore & SyncReads>[] = [
  {
    name: "readSync() of an absent object is undefined",
    async run(store) {
      expectSame(store.readSync("a", { start: 0, end: 1 }), undefined);
      await store.put("b/c", sampleBytes(1));
      expectSame(store.readSync("b", { start: 0, end: 1 }), undefined);
    },
  },
  {
    name: "readSync() reads ranges, cut at the end",
    async run(store) {
      const bytes = sampleBytes(10_000);
      await store.put("a/b", bytes);
      const read = (start: number, end: number) =>
        store.readSync("a/b", { start, end })?.slice();

      expectSame(read(0, 10), bytes.slice(0, 10));
      expectSame(read(9_000, 10_000), bytes.slice(9_000));
      expectSame(read(0, 2 ** 40), bytes, "range far past the end");
      expectSame(read(10_000, 10_001), new Uint8Array(0));
      expectSame(read(20_000, 20_001), new Uint8Array(0));
      expectSame(read(5, 5), new Uint8Array(0));
    },
  },
  {
    name: "readSync() sees a put and a delete of the same store",
    async run(store) {
      const range = { start: 0, end: 100 };
      await store.put("a", sampleBytes(8, 1));
      expectSame(store.readSync("a", range)?.slice(), sampleBytes(8, 1));
      await store.put("a", sampleBytes(20, 2));
      expectSame(store.readSync("a", range)?.slice(), sampleBytes(20, 2));
      await store.delete("a");
      expectSame(store.readSync("a", range), undefined);
      expectSame(await bytesOf(store, "a"), undefined);
    },
  },
  {
    name: "readSync() refuses a range that is none",
    async run(store) {
      await store.put("a", sampleBytes(8));
      for (const [start, end] of [[-1, 2], [3, 2], [NaN, 2]] as const) {
        await expectDbError(
          () => store.readSync("a", { start, end }),
          "invalid",
          `readSync(${start}, ${end})`,
        );
      }
    },
  },
];
