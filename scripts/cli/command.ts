/**
 * What a command is, and what its words and flags mean.
 *
 * Owns: parsing, checking and explaining of arguments. What the flags open is
 * in `database.ts`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { fromHex, toBytes } from "../../lib/base/bytes.ts";
import { messageOf } from "../../lib/base/errors.ts";
import { DbError } from "../../mod.ts";
import type { Terminal } from "./terminal.ts";

/** One flag. */
export interface Flag {
  /** What stands for its value in the help; absent: the flag takes none. */
  readonly value?: string;
  /** One line for the help. */
  readonly help: string;
}

/** Flags by name. */
export type Flags = Readonly<Record<string, Flag>>;

/** One command of the CLI. */
export interface Command {
  /** Its name. */
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Its words, as in `KEY [VALUE]`; empty where it takes none. */
  readonly words: string;
  /** Fewest and most words. */
  readonly arity: readonly [least: number, most: number];
  /** Flags besides the common ones. */
  readonly flags: Flags;
  /** More for its own help. */
  readonly details: string;
  /** Does it. */
  run(given: Arguments, terminal: Terminal): Promise<void>;
}

/** Flags of every command. */
export const COMMON_FLAGS: Flags = {
  store: {
    value: "URL",
    help: "where the objects are: memory:, file:///dir or a folder (./data)",
  },
  path: { value: "PATH", help: "the database's path in the store (db)" },
  json: { help: "print JSON, one value a line" },
  hex: { help: "keys and values are hexadecimal, given and shown" },
  debug: { help: "show the stack of an error" },
  help: { help: "show this text" },
};

/** Flags of every command that reads rows. */
export const READ_FLAGS: Flags = {
  expired: { help: "show expired rows too" },
  checkpoint: {
    value: "ID",
    help: "what this checkpoint keeps, not the newest",
  },
};

/** Flags that say how the database was made; the oracle's variables. */
export const COMPONENT_FLAGS: Flags = {
  merge: { value: "NAME", help: "the merge operator: concat" },
  "block-kib": { value: "N", help: "size of new blocks: 1, 2, 4 … 64 (4)" },
  segment: { value: "N", help: "segments by the first N bytes of the key" },
  filters: {
    value: "LIST",
    help: "bloom:BITS, prefix:BYTES, only:BYTES, by comma",
  },
  transform: { value: "NAME", help: "the block transformer: plus-one" },
  target: { value: "TARGET", help: "who reads what is written: interop, 0.15" },
};

/** What a command was given, checked for its form alone. */
export class Arguments {
  /** The words after the command's name. */
  readonly words: readonly string[];
  readonly #flags: Readonly<Record<string, string | boolean | undefined>>;

  /**
   * Constructs new {@linkcode Arguments}.
   *
   * @param words The words.
   * @param flags The flags.
   */
  constructor(
    words: readonly string[],
    flags: Readonly<Record<string, string | boolean | undefined>>,
  ) {
    this.words = words;
    this.#flags = flags;
  }

  /** Whether a flag without a value was given. */
  has(name: string): boolean {
    return this.#flags[name] === true;
  }

  /** A flag's value. */
  text(name: string): string | undefined {
    const value = this.#flags[name];
    return typeof value === "string" ? value : undefined;
  }

  /** A flag's value as a whole number. */
  count(name: string): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : toCount(text, `--${name}`);
  }

  /** A flag's value as a whole number of up to 64 bits. */
  integer(name: string): bigint | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (/^-?\d+$/.test(text)) return BigInt(text);
    throw new DbError(
      "invalid",
      `--${name} must be a whole number, not ${text}`,
    );
  }

  /** A flag's value as bytes: hexadecimal under `--hex`, UTF-8 otherwise. */
  bytes(name: string): Uint8Array | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : this.#toBytes(text, `--${name}`);
  }

  /** A word as bytes, like {@linkcode bytes}. */
  wordBytes(index: number, what: string): Uint8Array {
    return this.#toBytes(this.words[index]!, what);
  }

  /** A word as a whole number; `undefined` where it was not given. */
  wordCount(index: number, what: string): number | undefined {
    const text = this.words[index];
    return text === undefined ? undefined : toCount(text, what);
  }

  #toBytes(text: string, what: string): Uint8Array {
    if (!this.has("hex")) return toBytes(text);
    const bytes = fromHex(text);
    if (bytes !== undefined) return bytes;
    throw new DbError("invalid", `${what} must be hexadecimal, not ${text}`);
  }
}

/**
 * Parses what stands after a command's name.
 *
 * @param command The command.
 * @param args Its words and flags.
 * @returns What was given.
 * @throws {DbError} Kind `"invalid"` if a flag is unknown or a word too few or too many.
 */
export function parseArguments(
  command: Command,
  args: readonly string[],
): Arguments {
  const flags = { ...command.flags, ...COMMON_FLAGS };
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: Object.fromEntries(
        Object.entries(flags).map(([name, flag]) => [
          name,
          {
            type: flag.value === undefined ? "boolean" : "string",
            ...(name === "help" ? { short: "h" } : {}),
          },
        ]),
      ),
    });
  } catch (error) {
    const first = messageOf(error).split(/[.?](?: |$)/)[0]!;
    throw new DbError("invalid", `${first}; ${seeHelp(command)}`);
  }
  const given = new Arguments(
    parsed.positionals,
    parsed.values as Record<string, string | boolean>,
  );
  const [least, most] = command.arity;
  if (given.has("help")) return given;
  if (given.words.length < least || given.words.length > most) {
    throw new DbError(
      "invalid",
      `${command.name} takes ${command.words || "no words"}; ${
        seeHelp(command)
      }`,
    );
  }
  return given;
}

/**
 * The help of one command.
 *
 * @param command The command.
 * @returns Text with a line end.
 */
export function helpOf(command: Command): string {
  const flags = Object.entries({ ...command.flags, ...COMMON_FLAGS })
    .map(([name, { value, help }]) => {
      const form = value === undefined ? `--${name}` : `--${name} ${value}`;
      return `  ${form.padEnd(18)} ${help}`;
    });
  const words = command.words === "" ? "" : ` ${command.words}`;
  return `${command.summary}

  deno task cli ${command.name}${words} [flags]

${flags.join("\n")}
${command.details === "" ? "" : `\n${command.details.trim()}\n`}`;
}

function toCount(text: string, what: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(count)) return count;
  throw new DbError("invalid", `${what} must be a whole number, not ${text}`);
}

function seeHelp(command: Command): string {
  return `see: deno task cli ${command.name} --help`;
}
