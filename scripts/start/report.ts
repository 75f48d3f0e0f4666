/**
 * What `deno task start` shows: headings, lines, a moving count, figures.
 *
 * @module
 */
import process from "node:process";
import {
  createPalette,
  formatCount,
  formatDuration,
  type Palette,
} from "../display.ts";

const LABEL_COLUMNS = 30;

/** Shows a run to a person, or collects its figures for a program. */
export class Report {
  readonly #json: boolean;
  readonly #terminal: boolean;
  readonly #palette: Palette;
  readonly #figures: Record<string, number | string> = {};

  /**
   * Starts an empty report.
   *
   * @param json Whether to print nothing but the figures, at the end.
   */
  constructor(json: boolean) {
    this.#json = json;
    this.#terminal = process.stdout.isTTY === true;
    this.#palette = createPalette(
      this.#terminal && process.env["NO_COLOR"] === undefined,
    );
  }

  /** The first line. */
  title(text: string): void {
    this.#print(`\n${this.#palette.bold(text)}`);
  }

  /** Begins a part. */
  part(text: string): void {
    this.#print(`\n${this.#palette.accent(text)}`);
  }

  /** What was done, and what came of it. */
  line(label: string, text: string): void {
    this.#print(`  ${label.padEnd(LABEL_COLUMNS)} ${text}`);
  }

  /** A remark. */
  note(text: string): void {
    this.#print(`  ${this.#palette.dim(text)}`);
  }

  /** How far a long step is; shown only where it can be wiped out again. */
  progress(done: number, total: number): void {
    if (this.#json || !this.#terminal) return;
    const filled = Math.round(20 * done / total);
    const bar = "━".repeat(filled) + this.#palette.dim("━".repeat(20 - filled));
    process.stdout.write(`\r  ${bar} ${formatCount(done)}`);
    if (done >= total) process.stdout.write("\r\x1b[2K");
  }

  /** Keeps a figure for `--json`. */
  figure(name: string, value: number | string): void {
    this.#figures[name] = typeof value === "number"
      ? Number(value.toPrecision(6))
      : value;
  }

  /** A rate: shown as time for each and how many a second, and kept. */
  rate(name: string, label: string, count: number, ms: number): void {
    this.figure(`${name}_us`, ms * 1000 / count);
    this.line(
      label,
      `${formatDuration(ms / count)} each, ${
        formatCount(count / ms * 1000)
      } a second`,
    );
  }

  /** Prints the figures, if that is what was asked for. */
  finish(): void {
    if (this.#json) console.log(JSON.stringify(this.#figures));
    else console.log();
  }

  #print(text: string): void {
    if (!this.#json) console.log(text);
  }
}
