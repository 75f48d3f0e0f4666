/** A writer over a store that fails on purpose, at a time that moves when told. */
import { ManifestStore } from "../../lib/manifest/manifest_store.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { FaultStore, type StoreCall } from "../../lib/testing/fault_store.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";
import { MiniDb, type MiniDbOptions } from "./mini_db.ts";

export const MINUTE = 60_000;

export async function setUp(options: Partial<MiniDbOptions> = {}) {
  const runtime = new ManualRuntime();
  const memory = new MemoryStore({ runtime });
  const store = new FaultStore(memory, { runtime });
  const db = await MiniDb.open({ store, runtime, ...options });
  await runtime.settle();
  store.calls.length = 0;
  return { runtime, memory, store, db };
}

export const isSst = ({ name }: StoreCall) => name.includes("/compacted/");
export const isSstPut = (call: StoreCall) =>
  call.operation === "put" && isSst(call);
export const isManifestPut = (call: StoreCall) =>
  call.operation === "put" && call.name.includes("/manifest/");

export function openCompactor(store: MemoryStore, runtime: ManualRuntime) {
  const manifests = new ManifestStore({
    store,
    root: "db",
    runtime,
    checksum: true,
  });
  return manifests.open("compactor", { timeoutMs: MINUTE });
}
