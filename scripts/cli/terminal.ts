/**
 * What a command may touch of its process.
 *
 * Owns: standard input, output and error, and the end of the process. Commands
 * get a {@linkcode Terminal} and so run in tests as they run in a shell.
 *
 * @module
 */
import process from "node:process";

/** The process as a command sees it. */
export interface Terminal {
  /** The bytes of standard input. */
  readonly input: AsyncIterable<Uint8Array>;
  /** Whether a person reads standard error. */
  readonly interactive: boolean;
  /** Writes data; waits while the reader is slow. */
  write(data: string | Uint8Array): Promise<void>;
  /** Tells the person something that is not data. */
  note(line: string): void;
  /** Ends the process at once; nothing is closed. */
  crash(status: number): void;
}

/**
 * The terminal of this process.
 *
 * @returns A terminal; a reader that goes away (`… | head`) ends the process.
 */
export function processTerminal(): Terminal {
  const { stdin, stdout, stderr } = process;
  stdout.on("error", (error: Error & { code?: string }) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(0);
  });
  return {
    input: stdin,
    interactive: stderr.isTTY === true,
    write(data) {
      return new Promise((resolve) => {
        // The callback comes once the bytes are gone, or the reader is.
        stdout.write(data, () => resolve());
      });
    },
    note(line) {
      stderr.write(`${line}\n`);
    },
    crash(status) {
      process.exit(status);
    },
  };
}

const BUFFER_CHARACTERS = 64 * 1024;

/** Gathers lines, so that a scan does not pay for a system call a row. */
export class LineWriter {
  readonly #terminal: Terminal;
  #lines = "";

  /**
   * Starts without lines.
   *
   * @param terminal Where they go.
   */
  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /**
   * Adds a line.
   *
   * @param line Text without its line end.
   * @returns A promise where the lines must first be written.
   */
  line(line: string): Promise<void> | undefined {
    this.#lines += `${line}\n`;
    if (this.#lines.length < BUFFER_CHARACTERS) return undefined;
    return this.flush();
  }

  /** Writes what was gathered. */
  flush(): Promise<void> {
    const lines = this.#lines;
    this.#lines = "";
    return lines === "" ? Promise.resolve() : this.#terminal.write(lines);
  }
}

/**
 * Splits bytes into lines of UTF-8; the last one needs no line end.
 *
 * @param input Chunks that end anywhere.
 * @returns Lines without their ends, empty ones left out.
 */
export async function* readLines(
  input: AsyncIterable<Uint8Array>,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of input) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) if (line.trim() !== "") yield line;
  }
  rest += decoder.decode();
  if (rest.trim() !== "") yield rest;
}

/**
 * All of standard input.
 *
 * @param input Its chunks.
 * @returns The bytes.
 */
export async function readAll(
  input: AsyncIterable<Uint8Array>,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of input) chunks.push(chunk);
  return Uint8Array.from(Buffer.concat(chunks));
}
