/**
 * The CLI in a test: its words and its standard input in, all it prints out.
 *
 * @module
 */
import { runCli } from "../../scripts/cli/run.ts";

/** What a command printed, and how it ended. */
export interface CliResult {
  readonly status: number;
  /** Standard output as text. */
  readonly output: string;
  /** Lines of standard error. */
  readonly notes: readonly string[];
}

/**
 * Runs a command in this process.
 *
 * @param args What stands after `deno task cli`.
 * @param input Standard input.
 * @returns What it printed.
 */
export async function cli(
  args: readonly string[],
  input: string | Uint8Array = "",
): Promise<CliResult> {
  const chunks: Uint8Array[] = [];
  const notes: string[] = [];
  const bytes = typeof input === "string"
    ? new TextEncoder().encode(input)
    : input;
  let crashed: number | undefined;
  const status = await runCli(args, {
    input: inPieces(bytes),
    interactive: false,
    write(data) {
      chunks.push(
        typeof data === "string" ? new TextEncoder().encode(data) : data,
      );
      return Promise.resolve();
    },
    note: (line) => void notes.push(line),
    crash: (code) => void (crashed = code),
  });
  const output = new TextDecoder().decode(
    Uint8Array.from(Buffer.concat(chunks)),
  );
  return { status: crashed ?? status, output, notes };
}

/** Pieces that end in the middle of lines and characters. */
async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 7) {
    yield bytes.subarray(at, at + 7);
  }
}
