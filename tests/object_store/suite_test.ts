/** Every store against the conformance suite. */
import { systemRuntime } from "../../lib/base/runtime.ts";
import { MemoryRecorder } from "../../lib/metrics/memory_recorder.ts";
import { FileStore } from "../../lib/object_store/file_store.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { MeteredStore } from "../../lib/object_store/metered_store.ts";
import {
  type ObjectStore,
  type SyncReads,
  syncReadsOf,
} from "../../lib/object_store/object_store.ts";
import { PrefixStore } from "../../lib/object_store/prefix_store.ts";
import { RetryingStore } from "../../lib/object_store/retrying_store.ts";
import { FaultStore } from "../../lib/testing/fault_store.ts";
import {
  METADATA_SUITE,
  OBJECT_STORE_SUITE,
  SYNC_READS_SUITE,
} from "../../lib/testing/object_store_suite.ts";
import { MemoryVfs } from "../../lib/vfs/memory_vfs.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";

type Subject = ObjectStore & SyncReads;

const STORES: Readonly<Record<string, () => ObjectStore>> = {
  "MemoryStore": () => new MemoryStore(),
  "PrefixStore": () => new PrefixStore(new MemoryStore(), "some/db"),
  "RetryingStore": () => new RetryingStore(new MemoryStore()),
  "FaultStore": () => new FaultStore(new MemoryStore()),
  "MeteredStore": () =>
    new MeteredStore(new MemoryStore(), {
      recorder: new MemoryRecorder(),
      runtime: systemRuntime,
      component: "db",
      storeType: "main",
    }),
};

for (const [store, make] of Object.entries(STORES)) {
  for (const { name, run } of [...OBJECT_STORE_SUITE, ...METADATA_SUITE]) {
    test(`${store}: ${name}`, () => run(make()));
  }
  if (syncReadsOf(make()) === undefined) continue;
  for (const { name, run } of SYNC_READS_SUITE) {
    test(`${store}: ${name}`, () => run(make() as Subject));
  }
}

for (const { name, run } of [...OBJECT_STORE_SUITE, ...SYNC_READS_SUITE]) {
  test(`FileStore: ${name}`, async () => {
    await using directory = await TempDir.create();
    const store = new FileStore(directory.path);
    await run(store);
    await store.close();
  });

  test(`FileStore without fsync, under a prefix: ${name}`, async () => {
    await using directory = await TempDir.create();
    const root = directory.at("not", "yet");
    const files = new FileStore(root, { fsync: false, maxOpenFiles: 1 });
    const store = new PrefixStore(files, "some/db");
    await run(store as ObjectStore as Subject);
    await store.close();
  });

  test(`FileStore over MemoryVfs: ${name}`, async () => {
    const store = new FileStore("/data", { vfs: new MemoryVfs() });
    await run(store);
    await store.close();
  });
}

test("the suite's names are unique", () => {
  const names = [...OBJECT_STORE_SUITE, ...METADATA_SUITE, ...SYNC_READS_SUITE]
    .map(({ name }) => name);
  if (new Set(names).size !== names.length) throw new Error("a name twice");
});
