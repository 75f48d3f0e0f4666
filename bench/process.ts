/**
 * One engine and one repetition in a process of its own.
 *
 * Owns: starting `engine_main.ts` under the runtime the bench itself runs under,
 * and what the two say to each other.
 *
 * @module
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { EngineName } from "./engine.ts";
import type { Measurement, Scale, Workload } from "./workload.ts";

/** What the process is to do. */
export interface Order {
  readonly engine: EngineName;
  /** An empty folder. */
  readonly directory: string;
  readonly workloads: readonly Workload[];
  readonly scale: Scale;
}

/** What it found. */
export interface Report {
  /** See {@linkcode BenchEngine.durability}. */
  readonly durability: string;
  readonly measurements: readonly Measurement[];
}

/** What stands before the report in the process's output. */
export const REPORT_MARK = "report:";

/**
 * Runs an order to its end.
 *
 * @param order What to do.
 * @returns The figures.
 * @throws {Error} If the process failed or gave no report.
 */
export async function runProcess(order: Order): Promise<Report> {
  const main = fileURLToPath(new URL("./engine_main.ts", import.meta.url));
  const args = "Deno" in globalThis ? ["run", "--quiet", "--allow-all"] : [];
  const child = spawn(process.execPath, [
    ...args,
    main,
    JSON.stringify(order),
  ], { stdio: ["ignore", "pipe", "inherit"] });

  let output = "";
  child.stdout.setEncoding("utf8");
  child.stdout.on("data", (text: string) => output += text);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  const report = output.split("\n")
    .find((line) => line.startsWith(REPORT_MARK));
  if (code !== 0 || report === undefined) {
    throw new Error(
      `Cannot measure ${order.engine}: its process ended with ${code}`,
    );
  }
  return JSON.parse(report.slice(REPORT_MARK.length));
}
