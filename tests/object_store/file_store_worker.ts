/**
 * One of several processes over the same directory; prints what was
 * acknowledged, a line each.
 *
 * - `put <root> <me>`: creates objects until killed.
 * - `race <root> <me> <count>`: tries to create `race/0`, `race/1`, ….
 * - `count <root> <me> <count>`: increments the counter, that many times.
 * - `stop <root>`: appends to the log again and again, and stops itself before
 *   the first call of the disk, then before the second, and so on.
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { toBytes, toText } from "../../lib/base/bytes.ts";
import { FileStore } from "../../lib/object_store/file_store.ts";
import { sampleBytes } from "../../lib/testing/store_samples.ts";
import { nodeVfs } from "../../lib/vfs/node_vfs.ts";
import type { Vfs } from "../../lib/vfs/vfs.ts";

const [task, root, me, count] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
];
const tasks: Record<string, () => Promise<void>> = {
  put: putForever,
  race: raceToCreate,
  count: increment,
  stop: appendAndStop,
};
await tasks[task]!();

async function putForever(): Promise<void> {
  const store = new FileStore(root);
  for (let i = 0;; i++) {
    const name = `objects/${me}/${i % 7}/${i}`;
    const body = sampleBytes(20_000 + i, i + 1);
    await store.put(name, body, { mode: "create" });
    writeSync(1, `${name}\n`);
  }
}

async function raceToCreate(): Promise<void> {
  const store = new FileStore(root, { fsync: false });
  for (let i = 0; i < Number(count); i++) {
    const body = toBytes(`${me} `.repeat(1000));
    const result = await store.put(`race/${i}`, body, { mode: "create" });
    if (result.ok) writeSync(1, `${i}\n`);
  }
}

async function increment(): Promise<void> {
  const store = new FileStore(root, { fsync: false });
  for (let done = 0; done < Number(count);) {
    const { meta, bytes } = (await store.get("counter"))!;
    const next = toBytes(String(Number(toText(bytes)) + 1));
    const mode = { ifMatch: meta.etag };
    const result = await store.put("counter", next, { mode });
    if (!result.ok) continue;
    done++;
    writeSync(1, `${me}\n`);
  }
}

async function appendAndStop(): Promise<void> {
  let calls = 0;
  let stopAt = 0;
  let hasStopped = true;
  const vfs = watchedDisk((operation) => {
    if (calls++ !== stopAt) return;
    hasStopped = true;
    writeSync(1, `stopping before ${operation}\n`);
    process.kill(process.pid, "SIGSTOP");
  });
  const store = new FileStore(root, { vfs });
  for (; hasStopped; stopAt++) {
    calls = -Infinity;
    const { meta, bytes } = (await store.get("log"))!;
    calls = 0;
    hasStopped = false;
    const token = `child-${stopAt}`;
    const next = toBytes(`${toText(bytes)} ${token}`);
    const mode = { ifMatch: meta.etag };
    const result = await store.put("log", next, { mode });
    writeSync(1, `${result.ok ? "wrote" : "lost"} ${token}\n`);
  }
}

function watchedDisk(onCall: (operation: string) => void): Vfs {
  const disk = nodeVfs();
  const tell = <Result>(operation: string, body: () => Result): Result => {
    onCall(operation);
    return body();
  };
  return {
    absolute: (path) => disk.absolute(path),
    open: (path, mode) => tell("open", () => disk.open(path, mode)),
    stat: (path) => tell("stat", () => disk.stat(path)),
    list: (path) => tell("list", () => disk.list(path)),
    makeDirectory: (path) => tell("mkdir", () => disk.makeDirectory(path)),
    link: (from, to) => tell("link", () => disk.link(from, to)),
    rename: (from, to) => tell("rename", () => disk.rename(from, to)),
    remove: (path) => tell("remove", () => disk.remove(path)),
    setModified: (path, ms) => tell("utime", () => disk.setModified(path, ms)),
    syncDirectory: (path) => tell("sync", () => disk.syncDirectory(path)),
  };
}
