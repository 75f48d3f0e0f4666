/**
 * Where the engine says what it does; silent unless given.
 *
 * @module
 */

/** How loud a message is. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Receives the engine's messages; `console` fits. */
export type Logger = {
  readonly [Level in LogLevel]: (message: string) => void;
};

/** The logger that says nothing. */
export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
};
