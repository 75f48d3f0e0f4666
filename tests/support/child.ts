/**
 * Scripts in a process of their own, by the runtime that runs the tests.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** How a child ended. */
export interface ChildEnd {
  /** Exit status; `null` where a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running script. */
export class Child implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #end: Promise<ChildEnd>;
  #stdout = "";
  #stderr = "";
  #onOutput: () => void = () => {};

  /**
   * Starts a script.
   *
   * @param script Its path, relative to the project.
   * @param args Its arguments.
   * @param options Text for its stdin (which then ends), and its environment.
   */
  constructor(
    script: string,
    args: readonly string[] = [],
    options: { input?: string; env?: Record<string, string> } = {},
  ) {
    const path = fileURLToPath(new URL(`../../${script}`, import.meta.url));
    const run = "Deno" in globalThis
      ? ["run", "--quiet", "--allow-all", path]
      : ["run", path];
    this.#child = spawn(process.execPath, [...run, ...args], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1", ...options.env },
    });
    this.#end = this.#watch();
    this.#child.stdin!.on("error", () => {});
    if (options.input !== undefined) this.#child.stdin!.end(options.input);
  }

  #watch(): Promise<ChildEnd> {
    this.#child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
      this.#onOutput();
    });
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    return new Promise((resolve, reject) => {
      this.#child.on("error", reject);
      this.#child.on("close", (code) => {
        resolve({ code, stdout: this.#stdout, stderr: this.#stderr });
        this.#onOutput();
      });
    });
  }

  /** What it wrote to stdout so far. */
  get stdout(): string {
    return this.#stdout;
  }

  /** What it wrote to stderr so far. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Writes to its stdin. */
  write(text: string): void {
    this.#child.stdin!.write(text);
  }

  /** Waits for its end. */
  end(): Promise<ChildEnd> {
    return this.#end;
  }

  /** Waits until `done` says that enough was written to stdout. */
  async output(done: (stdout: string) => boolean): Promise<void> {
    while (!done(this.#stdout)) {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        throw new Error(`the child ended early: ${this.#stderr}`);
      }
      await new Promise<void>((resolve) => this.#onOutput = resolve);
    }
  }

  /** Ends it as a power cut would, and waits until it is gone. */
  async kill(): Promise<ChildEnd> {
    this.#child.kill("SIGKILL");
    return await this.#end;
  }

  /** Lets it go on after it has stopped itself. */
  resume(): void {
    // Deno's `kill()` of a child sends only the first signal.
    process.kill(this.#child.pid!, "SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

/** Runs a script to its end. */
export async function runScript(
  script: string,
  args: readonly string[] = [],
  options: { input?: string; env?: Record<string, string> } = {},
): Promise<ChildEnd> {
  await using child = new Child(script, args, { input: "", ...options });
  return await child.end();
}
