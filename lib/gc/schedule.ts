/**
 * When which files are looked for.
 *
 * Owns: intervals, their growth while nothing happens, and whether a look can
 * find anything at all: while neither manifest nor compactions change, a file
 * becomes garbage by growing old alone, and the last look knows when that is.
 * Does not own: looking.
 *
 * @module
 */
import type { Runtime } from "../base/runtime.ts";
import { GC_RESOURCES, type GcOptions, type GcResource } from "./options.ts";
import type { Picture } from "./pass.ts";

/** What a pass found out, as far as its next one depends on it. */
export interface Outcome {
  /** When the first file that was too young is not any more; `Infinity` where none was. */
  readonly ripensAtMs: number;
  /** Whether a task left files that it should have deleted. */
  hasFailed(resource: GcResource): boolean;
  /** Whether a task deleted something. */
  hasDeleted(resource: GcResource): boolean;
}

/** A process that lives but for a moment shall not pay for a pass. */
const FIRST_PASS_AFTER_MS = 10_000;
/** The longest pause of a short interval. */
const MAX_IDLE_MS = 60_000;
/** A file may appear without a trace: look again after this time anyway. */
const MAX_QUIET_MS = 6 * 3_600_000;

interface Turn {
  dueAtMs: number;
  pauseMs: number;
  /** What the last look that went well saw; `undefined`: look. */
  seen: string | undefined;
  /** When looking may find something though nothing changed, by the system clock. */
  ripensAtMs: number;
}

/** The turns of one collector's tasks. */
export class Schedule {
  readonly #tasks: GcOptions["tasks"];
  readonly #runtime: Runtime;
  readonly #turns = new Map<GcResource, Turn>();
  #startMs = 0;

  /**
   * Constructs a new {@linkcode Schedule}; nothing is due before
   * {@linkcode begin}.
   *
   * @param tasks The tasks that are on.
   * @param runtime The clock.
   */
  constructor(tasks: GcOptions["tasks"], runtime: Runtime) {
    this.#tasks = tasks;
    this.#runtime = runtime;
  }

  /** Makes the first turns. */
  begin(): void {
    const nowMs = this.#runtime.monotonicMs();
    this.#startMs = nowMs;
    for (const resource of GC_RESOURCES) {
      const task = this.#tasks[resource];
      if (task === undefined) continue;
      this.#turns.set(resource, {
        dueAtMs: nowMs + Math.min(task.intervalMs, FIRST_PASS_AFTER_MS),
        pauseMs: task.intervalMs,
        seen: undefined,
        ripensAtMs: 0,
      });
    }
  }

  /**
   * The tasks whose turn it is.
   *
   * @returns Them, in the order in which they run.
   */
  due(): GcResource[] {
    const nowMs = this.#runtime.monotonicMs();
    return GC_RESOURCES.filter((resource) => {
      const turn = this.#turns.get(resource);
      return turn !== undefined && turn.dueAtMs <= nowMs;
    });
  }

  /**
   * Whether none of the tasks can find anything, as far as is known without a
   * look.
   *
   * @param due The tasks whose turn it is.
   * @param manifestId Number of the newest manifest that is known.
   * @returns Whether it is so; their next turns are set then.
   */
  skips(due: readonly GcResource[], manifestId: number): boolean {
    const nowMs = this.#runtime.now();
    const isQuiet = due.every((resource) => {
      const { seen, ripensAtMs } = this.#turns.get(resource)!;
      return seen?.startsWith(`${manifestId} `) && nowMs < ripensAtMs;
    });
    if (!isQuiet) return false;
    for (const resource of due) {
      this.#pause(resource, this.#turns.get(resource)!, true);
    }
    return true;
  }

  /**
   * Those of the tasks that may find something.
   *
   * @param due The tasks whose turn it is.
   * @param picture The present state.
   * @returns Them, in the same order.
   */
  worthwhile(due: readonly GcResource[], picture: Picture): GcResource[] {
    const state = stateOf(picture);
    return due.filter((resource) => {
      const { seen, ripensAtMs } = this.#turns.get(resource)!;
      return seen !== state || picture.nowMs >= ripensAtMs;
    });
  }

  /**
   * Sets the next turns after a pass.
   *
   * @param due The tasks whose turn it was.
   * @param picture The state it saw.
   * @param outcome What it found out.
   */
  done(due: readonly GcResource[], picture: Picture, outcome: Outcome): void {
    const state = stateOf(picture);
    const worthwhile = this.worthwhile(due, picture);
    for (const resource of due) {
      const turn = this.#turns.get(resource)!;
      const isIdle = turn.seen === state && !outcome.hasDeleted(resource);
      this.#pause(resource, turn, isIdle);
      if (!worthwhile.includes(resource)) continue;
      turn.seen = outcome.hasFailed(resource) ? undefined : state;
      turn.ripensAtMs = Math.min(
        outcome.ripensAtMs,
        picture.nowMs + MAX_QUIET_MS,
      );
    }
  }

  /**
   * Sets the next turns after a pass that could not even begin.
   *
   * @param due The tasks whose turn it was.
   */
  failed(due: readonly GcResource[]): void {
    for (const resource of due) {
      const turn = this.#turns.get(resource)!;
      turn.seen = undefined;
      this.#pause(resource, turn, false);
    }
  }

  /**
   * How long nothing is due.
   *
   * @returns Milliseconds, or `undefined` where no task is on.
   */
  pauseMs(): number | undefined {
    if (this.#turns.size === 0) return undefined;
    const dueAtMs = Math.min(
      ...[...this.#turns.values()].map(({ dueAtMs }) => dueAtMs),
    );
    return Math.max(0, dueAtMs - this.#runtime.monotonicMs());
  }

  #pause(resource: GcResource, turn: Turn, isIdle: boolean): void {
    const { intervalMs, exact } = this.#tasks[resource]!;
    turn.pauseMs = isIdle && !exact
      ? Math.max(intervalMs, Math.min(2 * turn.pauseMs, MAX_IDLE_MS))
      : intervalMs;
    // Tasks with the same pause share their passes, whenever each began to.
    const elapsedMs = this.#runtime.monotonicMs() - this.#startMs;
    const turns = Math.floor(elapsedMs / turn.pauseMs) + 1;
    turn.dueAtMs = this.#startMs + turns * turn.pauseMs;
  }
}

function stateOf({ latest, compactions }: Picture): string {
  return `${latest.id} ${compactions?.id ?? 0}`;
}
