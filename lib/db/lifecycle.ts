/**
 * What is open under a handle, and why it closed.
 *
 * Owns: the state, the first reason, and the one close that everybody who calls
 * `close()` waits for. Does not own: what closing does.
 *
 * @module
 */
import { type CloseReason, DbError, toDbError } from "../base/errors.ts";
import { Pulse } from "../base/watch.ts";

/** Where a handle is in its life. */
export type LifecycleState = "open" | "closing" | "closed";

/** The life of one handle. */
export class Lifecycle {
  /** Fires whenever the state changes. */
  readonly changed: Pulse = new Pulse();
  #state: LifecycleState = "open";
  #error: DbError | undefined;
  #closing: Promise<void> | undefined;

  /** The present state. */
  get state(): LifecycleState {
    return this.#state;
  }

  /** Why the handle is closed; `undefined` while it is open. */
  get reason(): CloseReason | undefined {
    return this.#state === "open" ? undefined : this.#error?.reason ?? "clean";
  }

  /** The failure that ended the handle, if one did. */
  get failure(): DbError | undefined {
    return this.#error;
  }

  /**
   * Throws unless the handle is open.
   *
   * @throws {DbError} Kind `"closed"`, with the first reason.
   */
  guard(): void {
    if (this.#state !== "open") throw this.closedError();
  }

  /**
   * What calls on a closed handle are told.
   *
   * @returns An error of kind `"closed"`.
   */
  closedError(): DbError {
    return this.#error ??
      new DbError("closed", "db is closed", { reason: "clean" });
  }

  /**
   * Ends the handle because something in the background failed; only the first
   * call counts, and none after a clean close.
   *
   * @param cause What failed.
   * @returns What everybody is told from now on, or `undefined` where it had ended before.
   */
  fail(cause: unknown): DbError | undefined {
    if (this.#error !== undefined || this.#state === "closed") return undefined;
    const known = toDbError(cause);
    this.#error = known.kind === "closed" ? known : new DbError(
      "closed",
      `the database stopped after a failure: ${known.message}`,
      { cause, reason: "failed" },
    );
    if (this.#state === "open") this.#enter("closing");
    return this.#error;
  }

  /**
   * Closes once, whoever asks and how often.
   *
   * @param body Does the closing; told whether the handle had failed before.
   * @returns Resolves when everything is closed; rejects with what `body` threw, for the first caller alone.
   */
  close(body: (failed: boolean) => Promise<void>): Promise<void> {
    if (this.#closing !== undefined) {
      return this.#closing.catch(() => {});
    }
    if (this.#state === "open") this.#enter("closing");
    this.#closing = (async () => {
      try {
        await body(this.#error !== undefined);
      } finally {
        this.#enter("closed");
      }
    })();
    return this.#closing;
  }

  #enter(state: LifecycleState): void {
    this.#state = state;
    this.changed.fire();
  }
}
