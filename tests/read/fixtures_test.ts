/**
 * Every database that the real engines wrote reads as those engines read it.
 *
 * @module
 */
import { compareBytes, concatBytes, toHex } from "../../lib/base/bytes.ts";
import { silentLogger } from "../../lib/base/log.ts";
import { MAX_SEQ } from "../../lib/base/row.ts";
import { systemRuntime } from "../../lib/base/runtime.ts";
import { decodeManifest, type Manifest } from "../../lib/format/manifest.ts";
import { parseManifestId } from "../../lib/format/paths.ts";
import type { MergeOperator } from "../../lib/iter/merge_operator.ts";
import { LsmView } from "../../lib/lsm/lsm_view.ts";
import { Memtable } from "../../lib/memtable/memtable.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { pointGet } from "../../lib/read/point_get.ts";
import { ReadContext } from "../../lib/read/read_context.ts";
import type { FilterPolicy } from "../../lib/sst/filter_policy.ts";
import { decodeSection } from "../../lib/sst/section.ts";
import type { SstTable } from "../../lib/sst/sst_table.ts";
import { FaultStore } from "../../lib/testing/mod.ts";
import { replayWal } from "../../lib/wal/object_wal_replay.ts";
import { createWorld, type World } from "../sst/world.ts";
import { assert, assertEquals } from "../support/assert.ts";
import {
  type ExpectedRow,
  type Fixture,
  listFixtures,
  loadFixture,
} from "../support/fixtures.ts";
import { test } from "../support/test.ts";
import { scanView } from "./view.ts";

const CONCAT: MergeOperator = {
  merge: (_key, existing, operand) =>
    concatBytes(existing === undefined ? [operand] : [existing, operand]),
};

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

async function openFixture(
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

const STORES = {
  "at once": (store: MemoryStore) => store,
  "with waiting": (store: MemoryStore) => new FaultStore(store),
};

for (const { engine, name } of listFixtures()) {
  for (const [how, wrap] of Object.entries(STORES)) {
    test(`${engine}/${name} reads ${how} as its engine reads it`, async () => {
      const fixture = await loadFixture(engine, name);
      const { world, view } = await openFixture(fixture, wrap);
      const context = new ReadContext({
        kernel: world.kernel,
        mergeOperator: CONCAT,
        hideExpired: false,
      });
      const { expected } = fixture;

      assertEquals(await scanAll(context, view, false), expected);
      assertEquals(
        await scanAll(context, view, true),
        expected.toReversed(),
      );
      await checkGets(context, view, expected);
      await checkPrefixes(context, view, expected);

      view.release();
      assertEquals(world.budget.cacheUsed, 0);
    });
  }
}

async function scanAll(
  context: ReadContext,
  view: LsmView,
  reverse: boolean,
): Promise<ExpectedRow[]> {
  const rows: ExpectedRow[] = [];
  for await (const entry of scanView(context, view, { reverse })) {
    const { key, value, seq, createTs, expireTs } = entry;
    rows.push({ key, value, seq, createTs, expireTs });
  }
  return rows;
}

async function checkGets(
  context: ReadContext,
  view: LsmView,
  expected: readonly ExpectedRow[],
): Promise<void> {
  const read = { seqMax: MAX_SEQ, nowMs: 0, cacheBlocks: true };
  const known = new Set(expected.map(({ key }) => toHex(key)));
  for (const { key, value, seq, createTs, expireTs } of expected) {
    const found = await pointGet(context, view, key, read);
    assert(found !== undefined, toHex(key));
    assertEquals({ ...found }, { value, seq, createTs, expireTs });

    const absent = concatBytes([key, new Uint8Array([0])]);
    if (absent.length > 65_535 || known.has(toHex(absent))) continue;
    assertEquals(await pointGet(context, view, absent, read), undefined);
  }
}

async function checkPrefixes(
  context: ReadContext,
  view: LsmView,
  expected: readonly ExpectedRow[],
): Promise<void> {
  const prefixes = new Map(
    expected.map(({ key }) => [toHex(key.subarray(0, 8)), key.subarray(0, 8)]),
  );
  for (const prefix of [...prefixes.values()].slice(0, 40)) {
    const keys: Uint8Array[] = [];
    for await (const { key } of scanView(context, view, { prefix })) {
      keys.push(key);
    }
    assertEquals(
      keys,
      expected.map(({ key }) => key).filter((key) =>
        compareBytes(key.subarray(0, prefix.length), prefix) === 0
      ),
    );
  }
}
