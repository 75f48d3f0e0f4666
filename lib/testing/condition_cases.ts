/**
 * What every object store must do with conditional puts: the ground the
 * engine's commits stand on.
 *
 * @module
 */
import { toBytes, toText } from "../base/bytes.ts";
import type { ObjectStore } from "../object_store/object_store.ts";
import { bytesOf, sampleBytes, streamOf } from "./store_samples.ts";
import { expectSame, type SuiteCase } from "./suite_case.ts";

const EXISTS = { ok: false, reason: "exists" };
const CHANGED = { ok: false, reason: "changed" };

/** Requirements of `put` with a mode. */
export const CONDITION_CASES: readonly SuiteCase<ObjectStore>[] = [
  {
    name: "put() to create lets exactly one of many writers win",
    async run(store) {
      for (const name of ["a", "deep/er/b"]) {
        const results = await Promise.all(
          Array.from(
            { length: 16 },
            (_, i) => store.put(name, sampleBytes(9, i), { mode: "create" }),
          ),
        );

        const winner = results.findIndex((result) => result.ok);
        expectSame(results.filter(({ ok }) => ok).length, 1, "winners");
        const loser = results.find(({ ok }) => !ok);
        expectSame(loser, EXISTS, "result of a loser");
        expectSame(await bytesOf(store, name), sampleBytes(9, winner));
      }
    },
  },
  {
    name: "put() to create leaves an object that exists as it is",
    async run(store) {
      await store.put("a", sampleBytes(9, 1));
      const before = await store.head("a");

      const mode = "create";
      const plain = await store.put("a", sampleBytes(5, 2), { mode });
      const stream = streamOf(sampleBytes(5, 2), 2);
      const streamed = await store.put("a", stream, { mode });

      expectSame([plain, streamed], [EXISTS, EXISTS]);
      expectSame(await bytesOf(store, "a"), sampleBytes(9, 1));
      expectSame(await store.head("a"), before);
    },
  },
  {
    name: "put() to create works again after delete()",
    async run(store) {
      await store.put("a", sampleBytes(9, 1), { mode: "create" });
      await store.delete("a");

      const result = await store.put("a", sampleBytes(9, 2), {
        mode: "create",
      });

      expectSame(result.ok, true);
      expectSame(await bytesOf(store, "a"), sampleBytes(9, 2));
    },
  },
  {
    name: "put() if it matches replaces that version and no other",
    async run(store) {
      await store.put("a", sampleBytes(9, 1));
      const first = (await store.head("a"))!.etag;

      const second = await store.put("a", sampleBytes(9, 2), {
        mode: { ifMatch: first },
      });
      expectSame(second, { ok: true, etag: (await store.head("a"))?.etag });
      expectSame(await bytesOf(store, "a"), sampleBytes(9, 2));

      const stale = await store.put("a", sampleBytes(9, 3), {
        mode: { ifMatch: first },
      });
      expectSame(stale, CHANGED);
      expectSame(await bytesOf(store, "a"), sampleBytes(9, 2));

      const etag = second.ok ? second.etag : "";
      const body = streamOf(sampleBytes(9, 4), 4);
      const third = await store.put("a", body, { mode: { ifMatch: etag } });
      expectSame(third.ok, true, "put with the etag a put answered");
      expectSame(await bytesOf(store, "a"), sampleBytes(9, 4));
    },
  },
  {
    name: "put() if it matches loses where the object is gone",
    async run(store) {
      await store.put("a", sampleBytes(9));
      const etag = (await store.head("a"))!.etag;
      await store.delete("a");

      const mode = { ifMatch: etag };
      expectSame(await store.put("a", sampleBytes(9), { mode }), CHANGED);
      expectSame(await store.put("b", sampleBytes(9), { mode }), CHANGED);
      expectSame(await store.get("a"), undefined);
    },
  },
  {
    name: "put() if it matches lets exactly one of many writers win",
    async run(store) {
      await store.put("a", sampleBytes(9, 99));
      for (let round = 0; round < 5; round++) {
        const mode = { ifMatch: (await store.head("a"))!.etag };
        const results = await Promise.all(
          Array.from(
            { length: 8 },
            (_, i) => store.put("a", sampleBytes(9, 10 * round + i), { mode }),
          ),
        );

        const winner = results.findIndex((result) => result.ok);
        expectSame(results.filter(({ ok }) => ok).length, 1, "winners");
        const winning = sampleBytes(9, 10 * round + winner);
        expectSame(await bytesOf(store, "a"), winning);
      }
    },
  },
  {
    name: "put() if it matches loses no update of a shared counter",
    async run(store) {
      await store.put("counter", toBytes("100"));
      const increment = async () => {
        for (;;) {
          const { meta, bytes } = (await store.get("counter"))!;
          const next = toBytes(`${Number(toText(bytes)) + 1}`);
          const mode = { ifMatch: meta.etag };
          if ((await store.put("counter", next, { mode })).ok) return;
        }
      };

      await Promise.all(Array.from({ length: 6 }, async () => {
        for (let i = 0; i < 4; i++) await increment();
      }));

      expectSame(toText((await bytesOf(store, "counter"))!), "124");
    },
  },
];
