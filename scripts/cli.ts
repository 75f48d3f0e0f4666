/**
 * The command line: `deno task cli COMMAND`, explained by `deno task cli --help`.
 *
 * @module
 */
import process from "node:process";
import { runCli } from "./cli/run.ts";
import { processTerminal } from "./cli/terminal.ts";

process.exitCode = await runCli(process.argv.slice(2), processTerminal());
