/**
 * Databases that the real engines wrote, as views.
 *
 * @module
 */
import { silentLogger } from "../../lib/base/log.ts";
import { systemRuntime } from "../../lib/base/runtime.ts";
import { decodeManifest, type Manifest } from "../../lib/format/manifest.ts";
import { parseManifestId } from "../../lib/format/paths.ts";
import { LsmView } from "../../lib/lsm/lsm_view.ts";
import { Memtable } from "../../lib/memtable/memtable.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import type { FilterPolicy } from "../../lib/sst/filter_policy.ts";
import { decodeSection } from "../../lib/sst/section.ts";
import type { SstTable } from "../../lib/sst/sst_table.ts";
import { replayWal } from "../../lib/wal/object_wal_replay.ts";
import { createWorld, type World } from "../sst/world.ts";
import type { Fixture } from "../support/fixtures.ts";
import { CONCAT } from "./model.ts";

const PLUS_ONE = {
  encode: (bytes: Uint8Array) => bytes.map((byte) => byte + 1),
  decode: (bytes: Uint8Array) => bytes.map((byte) => byte - 1),
};

/** The policies that a fixture's text names, such as `bloom:10,prefix:8`. */
function policiesOf(filters: string | undefined): FilterPolicy[] {
  return (filters ?? "").split(",").flatMap((text) => {
    const [kind, argument] = text.split(":");
    if (kind !== "prefix" && kind !== "only") return [];
    const length = Number(argument);
    return [{
      wholeKeys: kind === "prefix",
      prefixExtractor: {
        name: `fixed${length}`,
        prefixLength: (bytes) => bytes.length < length ? undefined : length,
      },
    }];
  });
}

/** Opens a database as it was left: the latest manifest, and its log replayed. */
export async function openFixture(
  fixture: Fixture,
  wrap: (store: MemoryStore) => World["store"],
): Promise<{ world: World; view: LsmView }> {
  const memory = new MemoryStore();
  let latest: Manifest | undefined;
  for (const [name, bytes] of fixture.files) {
    await memory.put(name, bytes);
    const id = parseManifestId("db", name);
    if (id !== undefined && id > (latest?.id ?? 0)) {
      latest = decodeManifest(id, bytes);
    }
  }
  const world = createWorld({
    store: wrap(memory),
    transformer: fixture.info.transform === undefined ? undefined : PLUS_ONE,
    filterPolicies: policiesOf(fixture.info.filters),
  });
  const memtable = new Memtable(world.kernel, world.budget);
  await replayWal({
    kernel: world.kernel,
    store: world.store,
    root: "db",
    decodeSection: (compression, stored, what) =>
      decodeSection(
        { kernel: world.kernel, compression, transformer: world.transformer },
        stored,
        what,
      ),
    runtime: systemRuntime,
    logger: silentLogger,
    from: latest!.replayAfterWalId + 1,
    lastL0Seq: latest!.lastL0Seq,
    mergeOperator: CONCAT,
    memtable: () => memtable,
    isFull: () => false,
    freeze: () => {},
  });
  const view = new LsmView(memtable, [], latest!, tablesOf(world, latest!));
  memtable.release();
  return { world, view };
}

function tablesOf(world: World, manifest: Manifest) {
  const tree = ({ l0, runs }: Manifest["tree"]) => ({
    l0: l0.map((handle) => world.ssts.table(handle)),
    runs: runs.map(({ id, ssts }) => ({
      id,
      tables: ssts.map((handle): SstTable => world.ssts.table(handle)),
    })),
  });
  const segments = manifest.segments.map((segment) => ({
    prefix: segment.prefix,
    ...tree(segment),
  }));
  return { ...tree(manifest.tree), segments };
}
