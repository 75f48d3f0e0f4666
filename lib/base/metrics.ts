/**
 * Metrics: what the engine counts, and for whom.
 *
 * Owns: the five shapes, and the buckets they share.
 * Does not own: keeping or showing values (`metrics/`).
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

/** A value that is replaced. */
export interface Gauge {
  /** Replaces the value. */
  set(value: number): void;
}

/** A count that moves both ways. */
export interface UpDownCounter {
  /** Adds `amount`, which may be negative. */
  add(amount: number): void;
}

/** A distribution of samples over buckets. */
export interface Histogram {
  /** Adds a sample. */
  record(value: number): void;
}

/** Makes metrics; each is registered once and then used directly. */
export interface Recorder {
  /** Registers a counter. */
  counter(name: string, description: string, labels?: Labels): Counter;
  /** Registers a gauge. */
  gauge(name: string, description: string, labels?: Labels): Gauge;
  /** Registers a counter that moves both ways. */
  upDownCounter(
    name: string,
    description: string,
    labels?: Labels,
  ): UpDownCounter;
  /**
   * Registers a histogram. Its boundaries ascend; each is the upper end of a
   * bucket, and what lies above the last one has a bucket of its own.
   */
  histogram(
    name: string,
    description: string,
    boundaries: readonly number[],
    labels?: Labels,
  ): Histogram;
}

/** Boundaries of histograms of times, in seconds. */
export const LATENCY_BOUNDARIES: readonly number[] = [
  0.001,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
];

const NO_COUNTER: UpDownCounter = { add: () => {} };
const NO_GAUGE: Gauge = { set: () => {} };
const NO_HISTOGRAM: Histogram = { record: () => {} };

/** The recorder that costs nothing and keeps nothing. */
export const noRecorder: Recorder = {
  counter: () => NO_COUNTER,
  gauge: () => NO_GAUGE,
  upDownCounter: () => NO_COUNTER,
  histogram: () => NO_HISTOGRAM,
};
