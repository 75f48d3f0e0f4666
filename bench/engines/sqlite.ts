/**
 * SQLite as the runtime ships it: `node:sqlite` under Deno, `bun:sqlite` under
 * Bun. One table without row ids, write-ahead log, prepared statements, 256 MiB
 * of cache; every call is synchronous.
 *
 * @module
 */
import { prefixSuccessor } from "../../lib/base/bytes.ts";
import type { BenchEngine, Profile } from "../engine.ts";

interface Statement {
  run(...values: Uint8Array[]): unknown;
  get(...values: Uint8Array[]): unknown;
  all(...values: Uint8Array[]): unknown[];
}

interface Database {
  exec(sql: string): unknown;
  prepare(sql: string): Statement;
  close(): void;
}

const DatabaseClass: new (path: string) => Database = "Bun" in globalThis
  ? (await import("bun:sqlite" as string)).Database
  : (await import("node:sqlite")).DatabaseSync;

/** Returns a closed SQLite. */
export function createSqlite(): BenchEngine {
  return new SqliteEngine();
}

class SqliteEngine implements BenchEngine {
  readonly durability = "one fsync (synchronous = FULL)";
  #db: Database | undefined;
  #put!: Statement;
  #get!: Statement;
  #scan!: Statement;
  #scanPrefix!: Statement;

  // deno-lint-ignore require-await
  async open(directory: string, profile: Profile): Promise<void> {
    const db = new DatabaseClass(`${directory}/data.sqlite`);
    this.#db = db;
    db.exec("PRAGMA journal_mode = WAL");
    db.exec(
      `PRAGMA synchronous = ${profile === "durable" ? "FULL" : "NORMAL"}`,
    );
    db.exec("PRAGMA cache_size = -262144");
    db.exec(
      "CREATE TABLE IF NOT EXISTS rows (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID",
    );
    this.#put = db.prepare("INSERT OR REPLACE INTO rows VALUES (?, ?)");
    this.#get = db.prepare("SELECT v FROM rows WHERE k = ?");
    this.#scan = db.prepare("SELECT k, v FROM rows ORDER BY k");
    this.#scanPrefix = db.prepare(
      "SELECT k, v FROM rows WHERE k >= ? AND k < ? ORDER BY k",
    );
  }

  put(key: Uint8Array, value: Uint8Array): undefined {
    this.#put.run(key, value);
  }

  putDurable(key: Uint8Array, value: Uint8Array): undefined {
    this.#put.run(key, value);
  }

  writeBatch(
    keys: readonly Uint8Array[],
    values: readonly Uint8Array[],
    start: number,
    end: number,
  ): undefined {
    const db = this.#db!;
    db.exec("BEGIN");
    for (let i = start; i < end; i++) this.#put.run(keys[i]!, values[i]!);
    db.exec("COMMIT");
  }

  // deno-lint-ignore require-await
  async flush(): Promise<void> {
    this.#db!.exec("PRAGMA wal_checkpoint(PASSIVE)");
  }

  // deno-lint-ignore require-await
  async settle(): Promise<void> {
    this.#db!.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return (this.#get.get(key) as { v: Uint8Array } | null | undefined)?.v;
  }

  // deno-lint-ignore require-await
  async scan(prefix?: Uint8Array): Promise<number> {
    const rows = prefix === undefined
      ? this.#scan.all()
      : this.#scanPrefix.all(prefix, prefixSuccessor(prefix)!);
    return rows.length;
  }

  // deno-lint-ignore require-await
  async close(): Promise<void> {
    this.#db!.close();
    this.#db = undefined;
  }
}
