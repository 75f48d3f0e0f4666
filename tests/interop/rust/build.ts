/**
 * Builds the judge over SlateDB's published crate, once, with cargo.
 *
 * @module
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { Judge } from "../judge.ts";

const HERE = fileURLToPath(new URL(".", import.meta.url));

/**
 * Compiles the judge; a few minutes the first time, a moment after that.
 * `CARGO_TARGET_DIR` moves the output, as cargo has it.
 *
 * @returns Starts one.
 * @throws {Error} If cargo is not here or the crate does not compile.
 */
export async function buildRustJudge(): Promise<() => Promise<Judge>> {
  const child = spawn("cargo", ["build", "--release", "--locked"], {
    cwd: HERE,
    stdio: "inherit",
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("close", resolve);
    child.on("error", (cause) => {
      reject(
        new Error(
          "cargo is needed to build SlateDB's crate: https://rustup.rs",
          {
            cause,
          },
        ),
      );
    });
  });
  if (code !== 0) throw new Error(`cargo build ended with ${code}`);
  const target = process.env["CARGO_TARGET_DIR"] ?? join(HERE, "target");
  const program = join(target, "release", "shale-interop-judge");
  return () => Judge.start("slatedb 0.15.0", [program]);
}
