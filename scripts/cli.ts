/**
 * The command line: `deno task cli COMMAND`, explained by `deno task cli --help`.
 *
 * @module
 */
import process from "node:process";
import { runCli } from "./cli/run.ts";
import { processTerminal } from "./cli/terminal.ts";

const status = await runCli(process.argv.slice(2), processTerminal());
// What was printed goes out first. The exit is needed where a command failed
// before the end of its standard input, which would keep the process waiting.
for (const stream of [process.stdout, process.stderr]) {
  await new Promise<void>((resolve) => stream.write("", () => resolve()));
}
process.exit(status);
