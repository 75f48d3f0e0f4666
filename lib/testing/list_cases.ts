/**
 * What every object store must do when it is listed.
 *
 * @module
 */
import type { ObjectStore } from "../object_store/object_store.ts";
import { listNames, sampleBytes } from "./store_samples.ts";
import {
  expectDbError,
  expectReason,
  expectSame,
  type SuiteCase,
} from "./suite_case.ts";

const BODY = sampleBytes(3);

/** In the order of their UTF-8 bytes, which is not everybody's. */
const ORDERED = [
  "A",
  "a!/x",
  "a-b",
  "a.b/c",
  "a/1",
  "a/10",
  "a/2/x",
  "a/2/y",
  "a0",
  "b",
  "b\u00e9",
  "b\uff5e",
  "b\u{1f600}",
  "wal/00000000000000000009.sst",
  "wal/00000000000000000010.sst",
];

/** Requirements of `list`. */
export const LIST_CASES: readonly SuiteCase<ObjectStore>[] = [
  {
    name: "list() of a store or a prefix with nothing in it is empty",
    async run(store) {
      expectSame(await listNames(store), [], "empty store");
      await store.put("a/b", BODY);
      for (const prefix of ["x", "x/", "x/y/z", "a/b/", "a/c", "A"]) {
        expectSame(await listNames(store, prefix), [], `list(${prefix})`);
      }
    },
  },
  {
    name: "list() is in the order of names, deep ones included",
    async run(store) {
      await putAll(store, ORDERED.toReversed());

      expectSame(await listNames(store), ORDERED);
    },
  },
  {
    name: "list() takes a prefix that ends anywhere in a name",
    async run(store) {
      await putAll(store, ORDERED);

      const prefixes = ["a", "a/", "a/1", "a/2", "a.b", "b", "wal/000"];
      for (const prefix of [...prefixes, "wal/00000000000000000010.sst"]) {
        const expected = ORDERED.filter((name) => name.startsWith(prefix));
        expectSame(await listNames(store, prefix), expected, prefix);
      }
    },
  },
  {
    name: "list() starts after a name, which need not exist",
    async run(store) {
      await putAll(store, ORDERED);

      const names = [...ORDERED, "a", "a.", "a/15", "a/2", "a/2/", "aa", "z"];
      for (const startAfter of names) {
        const after = (name: string) => compareUtf8(name, startAfter) > 0;
        const what = `list() after ${startAfter}`;
        expectSame(
          await listNames(store, "", startAfter),
          ORDERED.filter(after),
          what,
        );
        expectSame(
          await listNames(store, "a/", startAfter),
          ORDERED.filter((name) => name.startsWith("a/") && after(name)),
          `${what} with a prefix`,
        );
      }
    },
  },
  {
    name: "list() gives what head() gives, metadata apart",
    async run(store) {
      await putAll(store, ["a/b", "a/c"]);

      for await (const listed of store.list("a/")) {
        const { name, size, etag, lastModified } = listed;
        const head = await store.head(name);
        expectSame(
          [head?.name, head?.size, head?.etag],
          [name, size, etag],
          name,
        );
        // Some stores round the time in one of both answers.
        const apartMs = Math.abs(head!.lastModified - lastModified);
        expectSame(apartMs < 1000, true, "times alike");
      }
    },
  },
  {
    name: "list() forgets what was deleted",
    async run(store) {
      await putAll(store, ["a/b", "a/c", "a/d/e"]);
      await store.delete("a/c");
      await store.delete("a/d/e");

      expectSame(await listNames(store), ["a/b"]);
    },
  },
  {
    name: "list() gives more names than fit in one answer of S3",
    async run(store) {
      const names = Array.from(
        { length: 1005 },
        (_, i) => `many/${String(i).padStart(20, "0")}`,
      );
      for (let start = 0; start < names.length; start += 67) {
        await putAll(store, names.slice(start, start + 67));
      }

      expectSame(await listNames(store, "many/"), names);
      const rest = await listNames(store, "many/", names[999]);
      expectSame(rest, names.slice(1000), "the last ones");
    },
  },
  {
    name: "list() may be left early, and begun again",
    async run(store) {
      await putAll(store, ["a", "b", "c"]);
      const seen: string[] = [];
      const metas = store.list("");
      for await (const { name } of metas) {
        seen.push(name);
        if (name === "b") break;
      }

      expectSame(seen, ["a", "b"]);
      expectSame(await listNames(store), ["a", "b", "c"]);
    },
  },
  {
    name: "list() refuses a prefix that begins no name",
    async run(store) {
      for (const prefix of ["/", "/a", "a//b", "../", "a/../b", "a\0"]) {
        const call = () => listNames(store, prefix);
        await expectDbError(call, "invalid", JSON.stringify(prefix));
      }
    },
  },
  {
    name: "list() ends with the reason of its signal",
    async run(store) {
      await putAll(store, ["a", "b", "c"]);
      const reason = new Error("enough");
      const abort = new AbortController();
      const { signal } = abort;
      const seen: string[] = [];
      const call = async () => {
        for await (const { name } of store.list("", { signal })) {
          seen.push(name);
          abort.abort(reason);
        }
      };

      await expectReason(call, reason, "list()");
      expectSame(seen, ["a"]);
      await expectReason(call, reason, "list() with a signal that has fired");
    },
  },
];

async function putAll(
  store: ObjectStore,
  names: readonly string[],
): Promise<void> {
  await Promise.all(names.map((name) => store.put(name, BODY)));
}

function compareUtf8(a: string, b: string): number {
  const [left, right] = [Array.from(a), Array.from(b)];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const order = left[i]!.codePointAt(0)! - right[i]!.codePointAt(0)!;
    if (order !== 0) return order;
  }
  return left.length - right.length;
}
