/**
 * SlateDB itself, in a process of its own, asked through a line protocol.
 *
 * A judge holds at most one open writer. Each request is one JSON line on its
 * stdin, each answer one on its stdout, in order. `uniffi/main.ts` speaks it
 * over the npm binding, `rust/` over the published crate.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Op, RowLine, RowOp } from "../support/op.ts";

/** Where a database is. */
export interface JudgeStore {
  /** Directory of the object store. */
  readonly store: string;
  /** Directory of a separate WAL store. */
  readonly walStore?: string;
  /** The database's path inside the store. */
  readonly path: string;
  /** Bytes of the segment prefix. */
  readonly segment?: number;
  /** `bloom:10`, `prefix:8` (whole key and prefix), `only:8`, `last`, with commas. */
  readonly filters?: string;
  /** The merge operator; concatenation unless given. */
  readonly merge?: "concat" | "sum" | "max";
  /** Whether every block is stored with one added to each byte. */
  readonly transform?: boolean;
}

/** How a judge opens a database as its writer. */
export interface JudgeOpen extends JudgeStore {
  /** SlateDB's settings, laid over its defaults. */
  readonly settings?: Record<string, unknown>;
  /** Block size. */
  readonly blockKib?: number;
}

/** Which checkpoint is made. */
export interface JudgeCheckpoint {
  readonly name?: string;
  readonly lifetimeMs?: number;
  /** Id of the checkpoint it is made of. */
  readonly source?: string;
}

/** What a judge is asked. */
export type JudgeRequest =
  | ({ readonly do: "open" } & JudgeOpen)
  | ({ readonly do: "read"; readonly checkpoint?: string } & JudgeStore)
  | { readonly do: "apply"; readonly ops: readonly Op[] }
  | { readonly do: "rows"; readonly prefix?: string }
  | { readonly do: "close" | "die" }
  | OnlyRustRequest;

/** What the judge over the published crate is asked alone. */
export type OnlyRustRequest =
  | ({ readonly do: "gc"; readonly options: unknown } & JudgeStore)
  | ({ readonly do: "manifest" | "compactions" } & JudgeStore)
  | ({ readonly do: "submit"; readonly spec: unknown } & JudgeStore)
  | ({ readonly do: "checkpoint" } & JudgeCheckpoint & JudgeStore)
  | ({ readonly do: "checkpoints"; readonly name?: string } & JudgeStore)
  | ({
    readonly do: "refreshCheckpoint" | "deleteCheckpoint";
    readonly id: string;
    readonly lifetimeMs?: number;
  } & JudgeStore)
  | ({ readonly do: "writerCheckpoint" } & JudgeCheckpoint)
  | { readonly do: "transact"; readonly ops: readonly RowOp[] }
  | { readonly do: "rows"; readonly of: "snapshot" | "reader" }
  | { readonly do: "snapshot" }
  | ({ readonly do: "openReader" } & JudgeStore)
  // At most one compactor or worker; `end` waits for it to end by itself.
  | (
    & { readonly do: "compactor" | "worker"; readonly options: unknown }
    & JudgeStore
  )
  | { readonly do: "stop" | "end" };

/** SlateDB refused; `kind` and `reason` are as in its own errors. */
export class JudgeError extends Error {
  readonly kind: string;
  readonly reason: string | undefined;

  /**
   * @param failure What the judge answered.
   * @param stderr What it wrote to stderr so far, such as a panic.
   */
  constructor(
    failure: { kind: string; reason?: string; message: string },
    stderr: string,
  ) {
    const said = stderr === "" ? "" : `; it said: ${stderr}`;
    super(failure.message + said);
    this.name = "JudgeError";
    this.kind = failure.kind;
    this.reason = failure.reason ?? undefined;
  }
}

type Answer = { ok: unknown } | {
  error: { kind: string; reason?: string; message: string };
};

/** One judge; disposing of it ends its process, without a close. */
export class Judge implements AsyncDisposable {
  /** What to call it in messages. */
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #gone: Promise<void>;
  #stderr = "";

  private constructor(name: string, command: readonly string[]) {
    this.name = name;
    this.#child = spawn(command[0]!, command.slice(1), {
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#answers = createInterface({ input: this.#child.stdout! })
      [Symbol.asyncIterator]();
    this.#gone = new Promise((resolve, reject) => {
      this.#child.on("close", () => resolve());
      this.#child.on("error", reject);
    });
    this.#child.stderr!.on("data", (chunk) => this.#stderr += chunk);
    // A judge that died answers nothing; what it said is told then.
    this.#child.stdin!.on("error", () => {});
  }

  /**
   * Starts a judge.
   *
   * @throws {Error} If its engine does not load, such as a native module made for another system.
   */
  static async start(
    name: string,
    command: readonly string[],
  ): Promise<Judge> {
    const judge = new Judge(name, command);
    try {
      await judge.#answer();
    } catch (error) {
      await judge[Symbol.asyncDispose]();
      throw new Error(`${name} does not run on this machine: ${error}`, {
        cause: error,
      });
    }
    return judge;
  }

  /** Opens a database as its writer, fencing any other. */
  async open(options: JudgeOpen): Promise<void> {
    await this.ask({ do: "open", ...options });
  }

  /** Applies operations to the open writer; the seq of each write, else null. */
  async apply(ops: readonly Op[]): Promise<(number | null)[]> {
    return await this.ask({ do: "apply", ops }) as (number | null)[];
  }

  /** All rows of the open writer by scan, each checked by get. */
  async rows(prefix?: string): Promise<RowLine[]> {
    const request: JudgeRequest = prefix === undefined
      ? { do: "rows" }
      : { do: "rows", prefix };
    return await this.ask(request) as RowLine[];
  }

  /** All rows by a reader of its own, each checked by get. */
  async read(store: JudgeStore): Promise<RowLine[]> {
    return await this.ask({ do: "read", ...store }) as RowLine[];
  }

  /** Closes the open writer as SlateDB does by default. */
  async close(): Promise<void> {
    await this.ask({ do: "close" });
  }

  /** Sends a request and waits for its answer. */
  async ask(request: JudgeRequest): Promise<unknown> {
    this.#child.stdin!.write(JSON.stringify(request) + "\n");
    return await this.#answer();
  }

  async #answer(): Promise<unknown> {
    const line = await this.#answers.next();
    if (line.done === true) {
      await this.#gone;
      throw new Error(
        `${this.name} ended with ${this.#child.exitCode}: ${this.#stderr}`,
      );
    }
    const answer = JSON.parse(line.value) as Answer;
    if ("error" in answer) throw new JudgeError(answer.error, this.#stderr);
    return answer.ok;
  }

  /** Ends the process at once, as a crash would. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#gone;
  }
}

/** Starts the npm binding, by the runtime that runs the tests. */
export function startUniffiJudge(): Promise<Judge> {
  const main = fileURLToPath(new URL("./uniffi/main.ts", import.meta.url));
  const run = "Deno" in globalThis ? ["run", "-A", main] : ["run", main];
  return Judge.start("@slatedb/uniffi 0.12.1", [process.execPath, ...run]);
}
