/** Power goes at every single call of the disk, and nothing acknowledged is lost. */
import { FileStore } from "../../lib/object_store/file_store.ts";
import {
  bytesOf,
  listNames,
  sampleBytes,
} from "../../lib/testing/store_samples.ts";
import { MemoryVfs } from "../../lib/vfs/memory_vfs.ts";
import { VfsError } from "../../lib/vfs/vfs.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { Random } from "../support/random.ts";
import { test } from "../support/test.ts";

/** What each object may hold after the loss: seeds of bodies, or nothing. */
type Allowed = Map<string, Set<number | undefined>>;

function body(seed: number): Uint8Array {
  return sampleBytes(2000 + seed, seed);
}

/** A disk that fails every call from the `count`th on. */
function dyingDisk(count: number): { vfs: MemoryVfs; calls: () => number } {
  let calls = 0;
  const vfs = new MemoryVfs({
    onCall: (operation, path) => {
      if (++calls > count) throw new VfsError("EIO", operation, path);
    },
  });
  return { vfs, calls: () => calls };
}

/** Puts and deletes one after another; returns what must be there afterwards. */
async function work(
  vfs: MemoryVfs,
): Promise<{ allowed: Allowed; done: boolean }> {
  const store = new FileStore("/deep/data", { vfs });
  const allowed: Allowed = new Map();
  let seed = 0;
  const put = async (
    name: string,
    mode: "create" | "overwrite" | "ifMatch",
  ) => {
    const written = ++seed;
    const before = allowed.get(name) ?? new Set([undefined]);
    const etag = mode === "ifMatch" ? (await store.head(name))!.etag : "";
    allowed.set(name, new Set([...before, written]));
    const condition = mode === "ifMatch" ? { ifMatch: etag } : mode;
    const result = await store.put(name, body(written), { mode: condition });
    assert(result.ok);
    allowed.set(name, new Set([written]));
  };
  const remove = async (name: string) => {
    allowed.set(name, new Set([...allowed.get(name)!, undefined]));
    await store.delete(name);
    allowed.set(name, new Set([undefined]));
  };
  try {
    await put("db/wal/1", "create");
    await put("db/wal/2", "create");
    await put("db/manifest/1", "overwrite");
    await put("db/manifest/1", "overwrite");
    await put("db/manifest/1", "ifMatch");
    await remove("db/wal/1");
    await put("db/wal/1", "create");
    return { allowed, done: true };
  } catch {
    return { allowed, done: false };
  }
}

async function check(vfs: MemoryVfs, allowed: Allowed): Promise<void> {
  const store = new FileStore("/deep/data", { vfs });
  for (const [name, seeds] of allowed) {
    const bytes = await bytesOf(store, name);
    const isFine = Array.from(seeds).some((seed) =>
      seed === undefined
        ? bytes === undefined
        : bytes !== undefined && bytes.length === 2000 + seed &&
          body(seed).every((byte, i) => byte === bytes[i])
    );
    assert(isFine, `${name} holds ${bytes?.length} bytes, of ${[...seeds]}`);
  }
  for (const name of await listNames(store)) assert(allowed.has(name), name);
  // Whatever was left behind, the store works.
  for (const name of allowed.keys()) {
    assertEquals((await store.put(name, body(99))).ok, true);
    assertEquals(await bytesOf(store, name), body(99));
  }
}

test("power loss at any call loses nothing acknowledged and tears nothing", async () => {
  let count = 0;
  for (;; count++) {
    const { vfs, calls } = dyingDisk(count);
    const { allowed, done } = await work(vfs);
    vfs.crash();
    vfs.onCall = () => {};
    await check(vfs, allowed);
    if (done) break;
    assert(calls() > count);
  }
  assert(count > 60, `${count} calls`);
});

test("power loss at any call, with some of what was not synced surviving", async () => {
  const random = new Random(1);
  for (let count = 0; count < 140; count++) {
    const { vfs } = dyingDisk(count);
    const { allowed } = await work(vfs);
    vfs.crash(() => random.chance(0.5));
    vfs.onCall = () => {};
    await check(vfs, allowed);
  }
});

test("without fsync a power loss may lose puts", async () => {
  const vfs = new MemoryVfs();
  await new FileStore("/data", { vfs, fsync: false }).put("a", body(1));

  vfs.crash();

  assertEquals(await listNames(new FileStore("/data", { vfs })), []);
});
