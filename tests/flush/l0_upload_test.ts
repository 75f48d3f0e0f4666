import { toText } from "../../lib/base/bytes.ts";
import type { DbError } from "../../lib/base/errors.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { CONCAT } from "../wal/memtable_rows.ts";
import { names, storedRows } from "./mini_db.ts";
import { isSst, isSstPut, MINUTE, setUp } from "./set_up.ts";

test("Flusher advances the counters where no row was worth keeping", async () => {
  const { store, runtime, db } = await setUp();
  db.write(["a"], { kind: "merge", expireTs: BigInt(runtime.now()) });
  await db.flush();
  assertEquals(store.count("put", "compacted"), 0);
  assertEquals(db.lsm.view.manifest.lastL0Seq, 1n);
  assertEquals(db.lsm.view.manifest.replayAfterWalId, 2);
  assertEquals(db.lsm.view.frozen.length, 0);
  await db.crash();
});

test("Flusher keeps the versions that a snapshot sees, and only those", async () => {
  const { db, memory } = await setUp();
  for (let i = 0; i < 6; i++) db.write(["a"]);
  const token = db.lsm.snapshots.register(3n, 0);
  await db.flush();
  assertEquals(db.lsm.view.manifest.recentSnapshotMinSeq, 3n);
  db.lsm.snapshots.release(token);
  for (let i = 0; i < 3; i++) db.write(["b"]);
  await db.flush();
  const { manifest } = db.lsm.view;
  assertEquals(manifest.recentSnapshotMinSeq, 9n);
  assertEquals(names(await storedRows(memory, manifest)), [
    "b@9",
    "a@6",
    "a@5",
    "a@4",
    "a@3",
  ]);
  await db.crash();
});

test("Flusher keeps the versions that readers of durable rows see", async () => {
  const { store, runtime, db, memory } = await setUp();
  for (let i = 0; i < 3; i++) db.write(["a"]);
  await db.wal.flush();
  const log = store.hold(({ operation, name }) =>
    operation === "put" && name.includes("/wal/")
  );
  for (let i = 0; i < 3; i++) db.write(["a"]);
  db.freeze();
  await runtime.settle();
  log.end();
  await db.flusher.flush();
  assertEquals(
    names(await storedRows(memory, db.lsm.view.manifest)),
    ["a@6", "a@5", "a@4", "a@3"],
  );
  await db.crash();
});

test("Flusher folds merge operands that no reader tells apart", async () => {
  const { db, memory } = await setUp({ mergeOperator: CONCAT });
  db.write(["a"]);
  db.write(["a"], { kind: "merge" });
  db.write(["a", "b"], { kind: "merge" });
  const token = db.lsm.snapshots.register(3n, 0);
  db.write(["a", "b"], { kind: "merge" });
  await db.flush();
  db.lsm.snapshots.release(token);
  const rows = await storedRows(memory, db.lsm.view.manifest);
  assertEquals(names(rows), ["a@4", "a@3", "b@4", "b@3"]);
  assertEquals(rows.map(({ kind }) => kind), [
    "merge",
    "put",
    "merge",
    "merge",
  ]);
  assertEquals(toText(rows[1]!.value), "a@1;a@2;a@3;");
  await db.crash();
});

test("Flusher ends with the merge operator's failure", async () => {
  const { db } = await setUp({
    mergeOperator: {
      merge: () => {
        throw new Error("no idea");
      },
    },
  });
  db.write(["a"], { kind: "merge" });
  db.write(["a"], { kind: "merge" });
  const error = await assertRejects(() => db.flush()) as DbError;
  assertEquals(error.kind, "invalid");
  assertEquals(db.failures, [error]);
  await db.crash();
});

test("Flusher lets rows expire by the memtable's own clock, not under a snapshot", async () => {
  for (const snapshot of [false, true]) {
    const { runtime, db, memory } = await setUp();
    const start = runtime.now();
    db.write(["a"], { expireTs: BigInt(start + 10) });
    db.write(["later"], { expireTs: BigInt(start + 1000) });
    if (snapshot) db.lsm.snapshots.register(9n, start + 9);
    await runtime.advance(20);
    db.write(["b"]);
    // Time that passes after the last row does not count.
    await runtime.advance(5 * MINUTE);
    await db.flush();
    const rows = await storedRows(memory, db.lsm.view.manifest);
    assertEquals(rows.map(({ kind }) => kind), [
      snapshot ? "put" : "delete",
      "put",
      "put",
    ]);
    await db.crash();
  }
});

test("Flusher uploads again until the store takes it", async () => {
  const { store, runtime, db } = await setUp();
  store.fail(isSstPut, { kind: "fail-before" }, 2);
  store.fail(isSstPut, { kind: "fail-after" }, 1);
  db.write(["a"]);
  await db.wal.flush();
  db.freeze();
  await runtime.run(db.flusher.flush());
  const names = store.calls.filter(isSst).map(({ name }) => name);
  assertEquals(names.length, 4);
  assertEquals(new Set(names).size, 1);
  await db.crash();
});
