/**
 * The CLI as a function: words in, exit status out.
 *
 * @module
 */
import { DbError } from "../../mod.ts";
import { apply } from "./apply.ts";
import { checkpoints } from "./checkpoints.ts";
import { type Command, helpOf, parseArguments } from "./command.ts";
import { compactor } from "./compactor.ts";
import { del } from "./delete.ts";
import { describeFailure } from "./failure.ts";
import { gc } from "./gc.ts";
import { get } from "./get.ts";
import { load } from "./load.ts";
import { manifest } from "./manifest.ts";
import { put } from "./put.ts";
import { scan } from "./scan.ts";
import { sst } from "./sst.ts";
import type { Terminal } from "./terminal.ts";
import { tree } from "./tree.ts";
import { wal } from "./wal.ts";

/** Every command, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  put,
  get,
  del,
  scan,
  load,
  apply,
  tree,
  manifest,
  sst,
  wal,
  checkpoints,
  gc,
  compactor,
];

/**
 * Runs one command.
 *
 * @param args What stands after `deno task cli`.
 * @param terminal The process it runs in.
 * @returns The exit status.
 */
export async function runCli(
  args: readonly string[],
  terminal: Terminal,
): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || ["--help", "-h", "help"].includes(name)) {
    await terminal.write(overview());
    return 0;
  }
  try {
    const command = COMMANDS.find((known) => known.name === name);
    if (command === undefined) {
      throw new DbError(
        "invalid",
        `no command "${name}"; there are ${
          COMMANDS.map((known) => known.name).join(", ")
        }`,
      );
    }
    const given = parseArguments(command, rest);
    if (given.has("help")) await terminal.write(helpOf(command));
    else await command.run(given, terminal);
    return 0;
  } catch (error) {
    const { status, lines } = describeFailure(error, rest.includes("--debug"));
    for (const line of lines) terminal.note(line);
    return status;
  }
}

function overview(): string {
  const forms = COMMANDS.map(({ name, words }) => `${name} ${words}`);
  const width = Math.max(...forms.map((form) => form.length));
  const commands = COMMANDS.map(({ summary }, i) =>
    `  ${forms[i]!.padEnd(width)} ${summary}`
  );
  return `Reads and writes a database from the shell.

  deno task cli COMMAND [words] [--store URL] [--path PATH] [flags]

${commands.join("\n")}

Data goes to standard output, everything else to standard error. Commands that
only read leave no trace in the store and disturb no writer. COMMAND --help
explains its flags.

Exit status: 0 done, 1 internal, 2 invalid use, 3 damaged data, 4 unavailable,
5 closed or fenced, 6 transaction.
`;
}
