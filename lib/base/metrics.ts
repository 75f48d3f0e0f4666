/**
 * Metrics: what the engine counts, and for whom.
 *
 * @module
 */

/** Labels of one metric. */
export type Labels = Readonly<Record<string, string>>;

/** A count that only rises. */
export interface Counter {
  /** Adds `amount`, 1 unless given. */
  add(amount?: number): void;
}

/** A value that moves both ways. */
export interface Gauge {
  /** Replaces the value. */
  set(value: number): void;
}

/** Makes metrics; each is registered once and then used directly. */
export interface Recorder {
  /** Registers a counter. */
  counter(name: string, description: string, labels?: Labels): Counter;
  /** Registers a gauge. */
  gauge(name: string, description: string, labels?: Labels): Gauge;
}

const NO_COUNTER: Counter = { add: () => {} };
const NO_GAUGE: Gauge = { set: () => {} };

/** The recorder that costs nothing and keeps nothing. */
export const noRecorder: Recorder = {
  counter: () => NO_COUNTER,
  gauge: () => NO_GAUGE,
};
