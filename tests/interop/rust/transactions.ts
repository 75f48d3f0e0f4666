/**
 * What transactions and ready-made merge operators of one engine leave for the
 * other.
 *
 * @module
 */
import {
  counterOperator,
  type Db,
  decodeCounter,
  encodeCounter,
  maxOperator,
  type MergeOperator,
} from "../../../mod.ts";
import { assertEquals } from "../../support/assert.ts";
import { hex, type RowOp, unhex } from "../../support/op.ts";
import { type Random, withSeed } from "../../support/random.ts";
import { test } from "../../support/test.ts";
import { fromLines, type StartJudge } from "../cases.ts";
import { MEM, put, WAL } from "../layouts.ts";
import { ALONE, COMPACTS, QUICK, SharedDb, until } from "./shared_db.ts";

/** Rows as `[key, value]`, by Shale. */
async function rowsOf(db: Db): Promise<string[][]> {
  const rows = [];
  for await (const { key, value } of db.scan()) {
    rows.push([hex(key), hex(value)]);
  }
  return rows;
}

/** Concurrent transactions that read before they write: none is lost. */
async function ours(start: StartJudge): Promise<void> {
  await withSeed(91, async (random) => {
    await using db = await SharedDb.create();
    await using judge = await start();
    const writer = await db.openShale(COMPACTS);
    const add = (from: string, to: string) =>
      writer.transact(async (transaction) => {
        const read = async (key: string) => {
          const value = await transaction.get(key);
          return value === undefined ? 100n : decodeCounter(value);
        };
        const [a, b] = [await read(from), await read(to)];
        transaction.put(from, encodeCounter(a - 1n));
        transaction.put(to, encodeCounter(b + 1n));
        transaction.merge("log", `${from}${to}`);
        if (a % 3n === 0n) transaction.delete(`odd${from}`);
        else transaction.put(`odd${from}`, to, { ttlMs: 3_600_000 });
      }, { isolation: "serializable", awaitDurable: false });
    for (let round = 0; round < 4; round++) {
      await Promise.all(Array.from({ length: 30 }, () => {
        const [from, to] = [random.below(6), random.below(5)];
        return add(`k${from}`, `k${to < from ? to : to + 1}`);
      }));
      if (round < 3) await writer.flush({ target: "memtable" });
      if (round === 1) await writer.compact();
    }
    await writer.flush({ target: "wal" });
    const expected = await rowsOf(writer);
    await writer.close({ flush: "none" });

    const rows = await judge.read(db.place);
    assertEquals(rows.map(({ k, v }) => [k, v]), expected);
    const accounts = rows.filter(({ k }) => /^6b/.test(k));
    const sum = accounts.reduce(
      (all, { v }) => all + decodeCounter(unhex(v)),
      0n,
    );
    assertEquals(sum, 600n);
    assertEquals(rows.find(({ k }) => k === hex("log"))!.v.length, 120 * 4 * 2);
  });
}

/** Their transactions and ours in turn, on what the other wrote. */
async function inTurn(start: StartJudge): Promise<void> {
  await using db = await SharedDb.create();
  await using judge = await start();
  for (let turn = 0; turn < 3; turn++) {
    await db.openJudge(judge);
    for (let i = 0; i < 10; i++) {
      const ops: RowOp[] = [
        put(`a${i}`, `theirs ${turn}`) as RowOp,
        { op: "merge", k: hex(`m${i % 3}`), v: hex(`t${turn}`) },
        { op: "delete", k: hex(`b${(i + turn) % 10}`) },
      ];
      const seq = await judge.ask({ do: "transact", ops }) as number;
      db.model.apply({ op: "batch", rows: ops }, BigInt(seq));
    }
    await db.applyJudge(judge, [WAL]);
    await judge.close();
    const writer = await db.openShale();
    for (let i = 0; i < 10; i++) {
      const rows: RowOp[] = [
        put(`b${i}`, `ours ${turn}`) as RowOp,
        { op: "merge", k: hex(`m${i % 3}`), v: hex(`s${turn}`) },
        { op: "delete", k: hex(`a${(i + turn) % 10}`) },
      ];
      using transaction = await writer.begin({ isolation: "serializable" });
      for (const { op, k, v } of rows) {
        await transaction.get(unhex(k));
        if (op === "delete") transaction.delete(unhex(k));
        else transaction[op](unhex(k), unhex(v!));
      }
      const written = await transaction.commit({ awaitDurable: false });
      db.model.apply({ op: "batch", rows }, written!.seq);
    }
    await db.applyShale(writer, [turn === 1 ? MEM : WAL]);
    await writer.close({ flush: "none" });
    await db.assertRows(judge, `turn ${turn}`);
  }
}

/** Operands that one engine leaves unmerged, and the other merges. */
async function operands(
  start: StartJudge,
  name: "sum" | "max",
  mergeOperator: MergeOperator,
  operand: (random: Random) => Uint8Array,
): Promise<void> {
  await withSeed(92, async (random) => {
    await using db = await SharedDb.create({ formatTarget: "0.15" });
    await using judge = await start();
    const place = { ...db.place, merge: name };
    const merges = (count: number): RowOp[] =>
      Array.from({ length: count }, () => ({
        op: random.chance(0.05) ? "put" : "merge",
        k: hex(`k${random.below(20)}`),
        v: hex(operand(random)),
      }));
    for (let turn = 0; turn < 3; turn++) {
      const writer = await db.openShale({ ...COMPACTS, mergeOperator });
      for (let layer = 0; layer < 3; layer++) {
        for (const { op, k, v } of merges(40)) {
          const options = { awaitDurable: false };
          if (op === "put") await writer.put(unhex(k), unhex(v!), options);
          else await writer.merge(unhex(k), unhex(v!), options);
        }
        await writer.flush({ target: layer < 2 ? "memtable" : "wal" });
      }
      if (turn === 1) await writer.compact();
      const expected = await rowsOf(writer);
      await writer.close({ flush: "none" });
      const seen = fromLines(await judge.read(place));
      assertEquals(seen.map(({ k, v }) => [k, v]), expected);

      await judge.open({
        ...place,
        settings: {
          ...ALONE,
          compactor_options: turn === 0 ? null : QUICK,
        },
      });
      for (let layer = 0; layer < 4; layer++) {
        await judge.apply([...merges(30), MEM]);
      }
      if (turn > 0) {
        await until(
          "their compactor",
          async () => (await db.manifest()).tree.l0.length < 4,
        );
      }
      await judge.apply([...merges(10), WAL]);
      const theirs = await judge.rows();
      await judge.close();
      await using reader = await db.openShale({ mergeOperator });
      assertEquals(await rowsOf(reader), theirs.map(({ k, v }) => [k, v]));
    }
  });
}

/** Registers the cases. */
export function testTransactions(start: StartJudge): void {
  test("SlateDB 0.15.0 reads what concurrent transactions of Shale wrote", () => {
    return ours(start);
  });
  test("transactions of Shale and SlateDB 0.15.0 take turns", () => {
    return inTurn(start);
  });
  test("SlateDB 0.15.0 and Shale's counterOperator() add up one another's operands", () => {
    return operands(
      start,
      "sum",
      counterOperator(),
      (random) => encodeCounter(random.between(-1000, 1000)),
    );
  });
  test("SlateDB 0.15.0 and Shale's maxOperator() agree", () => {
    return operands(
      start,
      "max",
      maxOperator(),
      (random) => unhex(hex(`${random.below(100_000)}`)),
    );
  });
}
