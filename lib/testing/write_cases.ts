/**
 * What every object store must do when it is written, conditions apart.
 *
 * @module
 */
import {
  type ObjectStore,
  takesChunksAtOnce,
} from "../object_store/object_store.ts";
import { bytesOf, listNames, sampleBytes, streamOf } from "./store_samples.ts";
import {
  expectDbError,
  expectReason,
  expectSame,
  type SuiteCase,
} from "./suite_case.ts";

const BODY = sampleBytes(100);
const BAD_NAMES = [
  "",
  "/",
  "/a",
  "a/",
  "a//b",
  ".",
  "..",
  "./a",
  "a/.",
  "a/./b",
  "../a",
  "a/../b",
  "a/..",
  "a\0b",
  "\ud800",
  "x".repeat(1025),
];
const ODD_NAMES = [
  "with space",
  "per%cent/%41",
  "plus+and&or=eq",
  "question?mark",
  "hash#tag",
  "quote'\"",
  "dots/...",
  ".hidden",
  "trailing./dot.",
  "umlaut/ü",
  "emoji/\u{1f600}",
  "back\\slash",
  "<tag>",
  "tilde~",
];

/** Requirements of `put` and `delete`. */
export const WRITE_CASES: readonly SuiteCase<ObjectStore>[] = [
  {
    name: "put() is seen by get(), head() and list() once it resolves",
    async run(store) {
      const result = await store.put("a/b/c", BODY);

      const meta = await store.head("a/b/c");
      expectSame(result, { ok: true, etag: meta?.etag }, "result");
      expectSame(await bytesOf(store, "a/b/c"), BODY, "bytes");
      expectSame(await listNames(store), ["a/b/c"], "listing");
    },
  },
  {
    name: "put() replaces an object, and its etag with it",
    async run(store) {
      const etags = new Set<string>();
      for (let i = 0; i < 12; i++) {
        // Alike in length and in time: the etag must see the difference.
        await store.put("a", sampleBytes(50, i + 1));
        etags.add((await store.head("a"))!.etag);
        expectSame(await bytesOf(store, "a"), sampleBytes(50, i + 1), "bytes");
      }
      expectSame(etags.size, 12, "number of etags");
    },
  },
  {
    name: "put() after delete() gives another etag",
    async run(store) {
      const etags = new Set<string>();
      for (let i = 0; i < 12; i++) {
        await store.put("a", sampleBytes(50, i + 1));
        etags.add((await store.head("a"))!.etag);
        await store.delete("a");
      }
      expectSame(etags.size, 12, "number of etags");
    },
  },
  {
    name: "put() takes a copy: the caller may reuse its buffer",
    async run(store) {
      const buffer = BODY.slice();
      await store.put("a", buffer);
      buffer.fill(0);

      expectSame(await bytesOf(store, "a"), BODY);
    },
  },
  {
    name: "put() takes a view of a larger buffer for what it shows",
    async run(store) {
      await store.put("a", BODY.subarray(10, 20));

      expectSame(await bytesOf(store, "a"), BODY.slice(10, 20));
    },
  },
  {
    name: "put() takes an empty body and every byte there is",
    async run(store) {
      const every = Uint8Array.from({ length: 256 }, (_, i) => i);
      await store.put("every", every);
      await store.put("empty", new Uint8Array(0));

      expectSame(await bytesOf(store, "every"), every);
      expectSame(await bytesOf(store, "empty"), new Uint8Array(0));
      expectSame((await store.head("empty"))?.size, 0, "size");
    },
  },
  {
    name: "put() takes a stream, whatever its chunks",
    async run(store) {
      const bytes = sampleBytes(9 * 1024 * 1024 + 5);
      await store.put("small", streamOf(BODY, 7));
      await store.put("large", streamOf(bytes, 300_000));
      await store.put("empty", streamOf(new Uint8Array(0), 1));

      expectSame(await bytesOf(store, "small"), BODY, "small");
      expectSame(await bytesOf(store, "large"), bytes, "large");
      expectSame(await bytesOf(store, "empty"), new Uint8Array(0), "empty");
    },
  },
  {
    name:
      "put() is done with a stream's chunk once it asks for the next, if so",
    async run(store) {
      if (!takesChunksAtOnce(store)) return;
      const buffer = new Uint8Array(100_000);
      const expected = new Uint8Array(4 * buffer.length);
      let chunks = 0;
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (chunks === 4) return controller.close();
          const start = chunks++ * buffer.length;
          buffer.fill(chunks);
          expected.set(buffer, start);
          controller.enqueue(buffer);
        },
      }, { highWaterMark: 0 });

      await store.put("a", body);

      expectSame(await bytesOf(store, "a"), expected);
    },
  },
  {
    name: "put() of a stream that fails fails with it and leaves nothing",
    async run(store) {
      const reason = new Error("the source is gone");
      let chunks = 0;
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (++chunks > 3) controller.error(reason);
          else controller.enqueue(BODY.slice());
        },
      });

      await expectReason(() => store.put("a", body), reason, "put()");
      expectSame(await store.get("a"), undefined);
      expectSame(await listNames(store), []);
    },
  },
  {
    name: "put() is whole or absent to whoever reads meanwhile",
    async run(store) {
      const length = 200_000;
      const writes = Array.from({ length: 8 }, async (_, i) => {
        for (let round = 0; round < 3; round++) {
          await store.put("a", new Uint8Array(length).fill(i + 1));
        }
      });
      const reads = Array.from({ length: 4 }, async () => {
        for (let round = 0; round < 8; round++) {
          const bytes = await bytesOf(store, "a");
          if (bytes === undefined) continue;
          expectSame(bytes.length, length, "length");
          const isWhole = bytes.every((byte) => byte === bytes[0]);
          expectSame(isWhole, true, "body of one writer");
        }
      });
      await Promise.all([...writes, ...reads]);
    },
  },
  {
    name: "put() takes names of many characters as they are",
    async run(store) {
      for (const [i, name] of ODD_NAMES.entries()) {
        await store.put(name, sampleBytes(5, i + 1));
      }

      for (const [i, name] of ODD_NAMES.entries()) {
        expectSame(await bytesOf(store, name), sampleBytes(5, i + 1), name);
        expectSame((await store.head(name))?.name, name, "meta.name");
      }
      const listed = new Set(await listNames(store));
      expectSame(listed.size, ODD_NAMES.length, "number of names");
      for (const name of ODD_NAMES) {
        expectSame(listed.has(name), true, `listing ${name}`);
        await store.delete(name);
      }
      expectSame(await listNames(store), []);
    },
  },
  {
    name: "every call refuses a name no store could hold",
    async run(store) {
      for (const name of BAD_NAMES) {
        const shown = JSON.stringify(name.slice(0, 20));
        await expectDbError(() => store.get(name), "invalid", `get ${shown}`);
        await expectDbError(() => store.head(name), "invalid", `head ${shown}`);
        await expectDbError(
          () => store.put(name, BODY),
          "invalid",
          `put ${shown}`,
        );
        await expectDbError(
          () => store.delete(name),
          "invalid",
          `delete ${shown}`,
        );
      }
      expectSame(await listNames(store), []);
    },
  },
  {
    name: "delete() removes an object, and an absent one is fine",
    async run(store) {
      await store.put("a/b", BODY);
      await store.put("a/c", BODY);

      await Promise.all([store.delete("a/b"), store.delete("a/b")]);
      await store.delete("a/b");
      await store.delete("never/was");
      await store.delete("a");

      expectSame(await store.get("a/b"), undefined);
      expectSame(await listNames(store), ["a/c"]);
    },
  },
  {
    name: "put() and delete() with a signal that has fired do nothing",
    async run(store) {
      await store.put("a", BODY);
      const reason = new Error("enough");
      const signal = AbortSignal.abort(reason);

      const put = () => store.put("b", BODY, { signal });
      await expectReason(put, reason, "put()");
      await expectReason(() => store.delete("a", { signal }), reason, "delete");
      expectSame(await listNames(store), ["a"]);
    },
  },
  {
    name: "put() of an endless stream ends when its signal fires",
    async run(store) {
      const abort = new AbortController();
      const reason = new Error("enough");
      let chunks = 0;
      let isCancelled = false;
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          controller.enqueue(BODY.slice());
          // Later it just hangs: only the signal can end the put.
          if (++chunks < 50) return;
          abort.abort(reason);
          return new Promise(() => {});
        },
        cancel: () => void (isCancelled = true),
      });

      const put = () => store.put("a", body, { signal: abort.signal });
      await expectReason(put, reason, "put()");
      expectSame(isCancelled, true, "cancelling the stream");
      expectSame(await listNames(store), []);
    },
  },
];
