import {
  appendOperator,
  counterOperator,
  Db,
  type DbError,
  decodeCounter,
  encodeCounter,
  MemoryStore,
  type Transaction,
} from "../../mod.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";

const NOW = { awaitDurable: false };
const text = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes);

function open(options: Partial<Parameters<typeof Db.open>[1]> = {}) {
  return Db.open("db", { store: new MemoryStore(), ...options });
}

async function kindOf(body: () => Promise<unknown>): Promise<string> {
  return (await assertRejects(body) as DbError).kind;
}

async function pairs(
  from: Db | Transaction,
  options: Parameters<Db["scan"]>[0] = {},
): Promise<string[]> {
  const found: string[] = [];
  for await (const { key, value } of from.scan(options)) {
    found.push(`${text(key)}=${text(value)}`);
  }
  return found;
}

test("Transaction reads its own writes and the state at its start, and nobody sees it before the commit", async () => {
  await using db = await open();
  await db.put("a", "1", NOW);
  await db.put("b", "2", NOW);

  using txn = await db.begin();
  txn.put("a", "mine");
  txn.delete("b");
  txn.put("c", "new");
  await db.put("d", "late", NOW);

  assertEquals(text(await txn.get("a")), "mine");
  assertEquals(await txn.get("b"), undefined);
  assertEquals(await txn.get("d"), undefined);
  assertEquals(await pairs(txn), ["a=mine", "c=new"]);
  assertEquals(await pairs(db), ["a=1", "b=2", "d=late"]);
  await txn.commit(NOW);
  assertEquals(await pairs(db), ["a=mine", "c=new", "d=late"]);
});

test("Transaction.scan() lays own writes over stored ones in both directions, with seek and limit", async () => {
  await using db = await open({ mergeOperator: appendOperator() });
  for (const key of ["b", "d", "f", "h"]) await db.put(key, key, NOW);
  await db.flush({ target: "memtable" });
  using txn = await db.begin();
  txn.put("a", "+");
  txn.merge("d", "+");
  txn.merge("e", "+");
  txn.delete("f");
  txn.put("i", "+");

  assertEquals(await pairs(txn), ["a=+", "b=b", "d=d+", "e=+", "h=h", "i=+"]);
  assertEquals(
    await pairs(txn, { reverse: true, lt: "i" }),
    ["h=h", "e=+", "d=d+", "b=b", "a=+"],
  );
  assertEquals(await pairs(txn, { gte: "d", limit: 2 }), ["d=d+", "e=+"]);
  await using scan = txn.scan();
  await scan.seek("e");
  assertEquals(text((await scan.next())?.key), "e");
  await scan.seek("f");
  assertEquals(text((await scan.next())?.key), "h");
});

test("snapshot isolation: the second of two transactions that write one key fails", async () => {
  await using db = await open();
  using first = await db.begin();
  using second = await db.begin();
  first.put("k", "1");
  second.put("k", "2");
  second.put("other", "2");

  await first.commit(NOW);

  assertEquals(await kindOf(() => second.commit(NOW)), "transaction");
  assertEquals(await pairs(db), ["k=1"]);
});

test("snapshot isolation: a write outside of transactions makes one fail, too", async () => {
  await using db = await open();
  using txn = await db.begin();
  txn.put("k", "1");

  await db.delete("k", NOW);

  assertEquals(await kindOf(() => txn.commit(NOW)), "transaction");
});

for (const isolation of ["snapshot", "serializable"] as const) {
  test(`write skew is ${isolation === "snapshot" ? "allowed" : "prevented"} at ${isolation} isolation`, async () => {
    await using db = await open();
    await db.put("alice", "on call", NOW);
    await db.put("bob", "on call", NOW);
    const [first, second] = [
      await db.begin({ isolation }),
      await db.begin({ isolation }),
    ];

    for (const txn of [first, second]) await txn.getMany(["alice", "bob"]);
    first.put("alice", "off");
    second.put("bob", "off");
    await first.commit(NOW);

    if (isolation === "snapshot") {
      await second.commit(NOW);
    } else assertEquals(await kindOf(() => second.commit(NOW)), "transaction");
  });
}

test("serializable isolation: a row that appears in a range that was read makes the commit fail", async () => {
  await using db = await open();
  using txn = await db.begin({ isolation: "serializable" });
  assertEquals(await pairs(txn, { prefix: "order/" }), []);
  txn.put("total", "0");

  await db.put("order/1", "x", NOW);

  assertEquals(await kindOf(() => txn.commit(NOW)), "transaction");
});

test("serializable isolation: writes outside of what was read are fine", async () => {
  await using db = await open();
  using txn = await db.begin({ isolation: "serializable" });
  await pairs(txn, { gte: "b", lt: "d" });
  await txn.get("x");
  txn.put("sum", "1");

  await db.put("a", "1", NOW);
  await db.put("d", "1", NOW);

  await txn.commit(NOW);
});

test("a read-only serializable transaction is checked, too, and writes nothing", async () => {
  await using db = await open();
  using clean = await db.begin({ isolation: "serializable" });
  using stale = await db.begin({ isolation: "serializable" });
  await stale.get("k");

  assertEquals(await clean.commit(), undefined);
  await db.put("k", "1", NOW);

  assertEquals(await kindOf(() => stale.commit()), "transaction");
});

test("Transaction.markRead() protects a key at snapshot isolation", async () => {
  await using db = await open();
  using txn = await db.begin();
  txn.markRead(["limit"]);
  txn.put("k", "1");

  await db.put("limit", "0", NOW);

  assertEquals(await kindOf(() => txn.commit(NOW)), "transaction");
});

test("Transaction.unmarkWrite() lets others write the key, and still writes it", async () => {
  await using db = await open();
  using txn = await db.begin();
  txn.put("seen", "mine");
  txn.unmarkWrite(["seen"]);

  await db.put("seen", "theirs", NOW);
  await txn.commit(NOW);

  assertEquals(text(await db.get("seen")), "mine");
});

test("a transaction takes a seqnum by the rule of all writes, and uses it up even in a conflict", async () => {
  await using db = await open();
  using good = await db.begin();
  using bad = await db.begin();
  good.put("k", "1");
  bad.put("k", "2");

  assertEquals((await good.commit({ ...NOW, seqnum: 10 }))?.seq, 10n);
  await kindOf(() => bad.commit({ ...NOW, seqnum: 20 }));

  assertEquals((await db.put("x", "1", NOW)).seq, 21n);
});

test("a completed transaction refuses every call", async () => {
  await using db = await open();
  using committed = await db.begin();
  committed.put("k", "1");
  await committed.commit(NOW);
  using rolledBack = await db.begin();
  rolledBack.put("k", "2");
  rolledBack.rollback();

  for (const txn of [committed, rolledBack]) {
    const error = await assertRejects(() => txn.get("k")) as DbError;
    assertEquals(
      [error.kind, error.message],
      ["invalid", "transaction has already been completed"],
    );
    assertEquals(await kindOf(() => txn.commit()), "invalid");
  }
  assertEquals(text(await db.get("k")), "1");
});

test("a transaction keeps its view through flushes and later writes", async () => {
  await using db = await open();
  await db.put("k", "old", NOW);
  using txn = await db.begin();

  await db.put("k", "new", NOW);
  await db.flush({ target: "memtable" });

  assertEquals(text(await txn.get("k")), "old");
  assertEquals(await pairs(txn), ["k=old"]);
});

test("Db.transact() loses none of 100 concurrent increments", async () => {
  await using db = await open();
  const increment = () =>
    db.transact(async (txn) => {
      const before = await txn.get("n");
      const count = before === undefined ? 0n : decodeCounter(before);
      txn.put("n", encodeCounter(count + 1n));
    }, NOW);

  await Promise.all(Array.from({ length: 100 }, increment));

  assertEquals(decodeCounter((await db.get("n"))!), 100n);
});

test("Db.transact() gives up after maxAttempts", async () => {
  await using db = await open();
  let attempts = 0;

  const kind = await kindOf(() =>
    db.transact(async (txn) => {
      attempts++;
      txn.put("k", "mine");
      await db.put("k", "theirs", NOW);
    }, { maxAttempts: 3 })
  );

  assertEquals([kind, attempts], ["transaction", 3]);
});

test("Db.transact() rolls back what its body throws", async () => {
  await using db = await open();

  await assertRejects(() =>
    db.transact((txn) => {
      txn.put("k", "1");
      throw new RangeError("changed my mind");
    })
  );

  assertEquals(await db.get("k"), undefined);
});

test("merges in a transaction combine with what is stored at its commit", async () => {
  await using db = await open({ mergeOperator: counterOperator() });
  await db.merge("n", encodeCounter(5), NOW);
  using txn = await db.begin();
  txn.merge("n", encodeCounter(2));
  txn.merge("n", encodeCounter(1));

  assertEquals(decodeCounter((await txn.get("n"))!), 8n);
  await txn.commit(NOW);

  assertEquals(decodeCounter((await db.get("n"))!), 8n);
});

test("two transactions that merge one key conflict", async () => {
  await using db = await open({ mergeOperator: counterOperator() });
  using first = await db.begin();
  using second = await db.begin();
  for (const txn of [first, second]) txn.merge("n", encodeCounter(1));
  await first.commit(NOW);

  assertEquals(await kindOf(() => second.commit(NOW)), "transaction");
});

test("bank: concurrent transfers keep the total at every moment", async () => {
  await using db = await open({
    settings: {
      l0_sst_size_bytes: 2000,
      max_unflushed_bytes: 1_000_000,
      l0_max_ssts: 1000,
      l0_max_ssts_per_key: 1000,
    },
  });
  const accounts = Array.from({ length: 10 }, (_, i) => `account/${i}`);
  for (const account of accounts) await db.put(account, "100", NOW);
  let seed = 42;
  const random = (n: number) =>
    (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % n;
  const transfer = () =>
    db.transact(async (txn) => {
      const [from, to] = [accounts[random(10)]!, accounts[random(10)]!];
      if (from === to) return;
      const amount = random(30);
      txn.put(from, `${Number(text(await txn.get(from))) - amount}`);
      txn.put(to, `${Number(text(await txn.get(to))) + amount}`);
    }, { isolation: "serializable", ...NOW });
  const audit = async () => {
    let total = 0;
    for await (const { value } of db.scan({ prefix: "account/" })) {
      total += Number(text(value));
    }
    assertEquals(total, 1000);
  };

  for (let round = 0; round < 20; round++) {
    await Promise.all([
      ...Array.from({ length: 10 }, transfer),
      audit(),
      audit(),
    ]);
  }
  await audit();
});

test("Db.begin() refuses an unknown isolation", async () => {
  await using db = await open();
  assertEquals(
    await kindOf(() => db.begin({ isolation: "dirty" as "snapshot" })),
    "invalid",
  );
});
