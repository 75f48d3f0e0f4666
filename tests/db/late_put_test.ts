/**
 * A put that was given up and arrives after all, behind the one that took its
 * place.
 *
 * @module
 */
import { collectBody } from "../../lib/object_store/body.ts";
import type {
  PutOptions,
  PutResult,
} from "../../lib/object_store/object_store.ts";
import { ManualRuntime } from "../../lib/testing/mod.ts";
import { Db, DbError, MemoryStore } from "../../mod.ts";
import { assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";

/** A store whose first put of an SST is answered too late. */
class LateStore extends MemoryStore {
  /** Lets the late put arrive. */
  arrive: (() => Promise<unknown>) | undefined;
  onLate: () => void = () => {};

  override async put(
    name: string,
    body: Uint8Array | ReadableStream<Uint8Array>,
    options: PutOptions = {},
  ): Promise<PutResult> {
    if (this.arrive !== undefined || !name.includes("/compacted/")) {
      return await super.put(name, body, options);
    }
    const bytes = await collectBody(body);
    this.arrive = () => super.put(name, bytes, { mode: options.mode! });
    this.onLate();
    throw new DbError("unavailable", "no answer in time", {
      outcome: "unknown",
    });
  }
}

test("an SST that is sent twice is the same both times, whatever snapshots end meanwhile", async () => {
  for (const rowBytes of [100_000, 1_000_000]) {
    const runtime = new ManualRuntime();
    const store = new LateStore({ runtime });
    const db = await Db.open("db", { store, runtime });
    const later = { awaitDurable: false };
    const row = (fill: number) => new Uint8Array(rowBytes).fill(fill);
    for (let i = 0; i < 5; i++) await db.put(`k${i}`, row(1), later);
    const snapshot = db.snapshot();
    for (let i = 0; i < 5; i++) await db.put(`k${i}`, row(2), later);
    store.onLate = () => snapshot.close();
    await runtime.run(db.flush({ target: "memtable" }));
    await store.arrive!();

    await runtime.run(db.close());

    const again = await runtime.run(Db.open("db", { store, runtime }));
    assertEquals(await again.get("k4"), row(2));
    await runtime.run(again.close());
  }
});
