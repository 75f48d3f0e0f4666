/**
 * Metrics kept in memory, to look at.
 *
 * Owns: one value for each name and set of labels, however often it is
 * registered: databases that share a recorder add up.
 * Does not own: the form in which somebody else wants them (`prometheus.ts`).
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import type {
  Counter,
  Gauge,
  Histogram,
  Labels,
  Recorder,
  UpDownCounter,
} from "../base/metrics.ts";

/** A value that is one number. */
export interface NumberValue {
  /** Its shape. */
  readonly kind: "counter" | "gauge" | "upDownCounter";
  /** The number. */
  readonly value: number;
}

/** A distribution. */
export interface HistogramValue {
  /** Its shape. */
  readonly kind: "histogram";
  /** How many samples there were. */
  readonly count: number;
  /** What they add up to. */
  readonly sum: number;
  /** The least of them; `Infinity` where there is none. */
  readonly min: number;
  /** The greatest of them; `-Infinity` where there is none. */
  readonly max: number;
  /** Upper ends of all buckets but the last, inclusive. */
  readonly boundaries: readonly number[];
  /** Samples in each bucket; one more than there are boundaries. */
  readonly bucketCounts: readonly number[];
}

/** What a metric shows. */
export type MetricValue = NumberValue | HistogramValue;

/** One metric at one moment. */
export interface Metric {
  /** Its name, such as `slatedb.db.write_ops`. */
  readonly name: string;
  /** What it means. */
  readonly description: string;
  /** Its labels. */
  readonly labels: Labels;
  /** What it shows. */
  readonly value: MetricValue;
}

/** One metric, as it is kept. */
interface Series {
  readonly name: string;
  readonly description: string;
  readonly labels: Labels;
  readonly cell: NumberCell | HistogramCell;
}

/** A recorder that keeps every metric in memory. */
export class MemoryRecorder implements Recorder {
  readonly #series = new Map<string, Series>();
  readonly #kinds = new Map<string, MetricValue["kind"]>();

  /** {@inheritDoc Recorder.counter} */
  counter(name: string, description: string, labels?: Labels): Counter {
    return this.#number("counter", name, description, labels);
  }

  /** {@inheritDoc Recorder.gauge} */
  gauge(name: string, description: string, labels?: Labels): Gauge {
    return this.#number("gauge", name, description, labels);
  }

  /** {@inheritDoc Recorder.upDownCounter} */
  upDownCounter(
    name: string,
    description: string,
    labels?: Labels,
  ): UpDownCounter {
    return this.#number("upDownCounter", name, description, labels);
  }

  /** {@inheritDoc Recorder.histogram} */
  histogram(
    name: string,
    description: string,
    boundaries: readonly number[],
    labels?: Labels,
  ): Histogram {
    checkBoundaries(name, boundaries);
    const cell = this.#cell("histogram", name, description, labels, () => {
      return new HistogramCell([...boundaries]);
    }) as HistogramCell;
    if (String(cell.boundaries) !== String(boundaries)) {
      throw new DbError(
        "invalid",
        `metric "${name}" has other boundaries: ${cell.boundaries.join(", ")}`,
      );
    }
    return cell;
  }

  /**
   * Every metric as it is now.
   *
   * @returns The metrics, by name and then by labels.
   */
  snapshot(): Metric[] {
    const keys = [...this.#series.keys()].sort();
    return keys.map((key) => shown(this.#series.get(key)!));
  }

  /**
   * The metrics of one name, whatever their labels.
   *
   * @param name The name.
   * @returns The metrics, by labels.
   */
  byName(name: string): Metric[] {
    return this.snapshot().filter((metric) => metric.name === name);
  }

  /**
   * One metric.
   *
   * @param name The name.
   * @param labels All of its labels, in any order.
   * @returns The metric as it is now, or `undefined`.
   */
  find(name: string, labels: Labels = {}): Metric | undefined {
    const series = this.#series.get(keyOf(name, labels));
    return series === undefined ? undefined : shown(series);
  }

  /**
   * The number that a metric shows.
   *
   * @param name The name.
   * @param labels All of its labels, in any order.
   * @returns The number, a histogram's count of samples, or `undefined` where there is no such metric.
   */
  numberOf(name: string, labels: Labels = {}): number | undefined {
    const value = this.find(name, labels)?.value;
    return value?.kind === "histogram" ? value.count : value?.value;
  }

  #number(
    kind: NumberValue["kind"],
    name: string,
    description: string,
    labels: Labels | undefined,
  ): NumberCell {
    return this.#cell(
      kind,
      name,
      description,
      labels,
      () => new NumberCell(kind),
    ) as NumberCell;
  }

  #cell(
    kind: MetricValue["kind"],
    name: string,
    description: string,
    labels: Labels = {},
    make: () => Series["cell"],
  ): Series["cell"] {
    const known = this.#kinds.get(name);
    if (known !== undefined && known !== kind) {
      throw new DbError("invalid", `metric "${name}" is a ${known}`);
    }
    this.#kinds.set(name, kind);
    const key = keyOf(name, labels);
    const series = this.#series.get(key) ??
      { name, description, labels: { ...labels }, cell: make() };
    this.#series.set(key, series);
    return series.cell;
  }
}

class NumberCell implements Counter, Gauge, UpDownCounter {
  readonly kind: NumberValue["kind"];
  value = 0;

  constructor(kind: NumberValue["kind"]) {
    this.kind = kind;
  }

  add(amount = 1): void {
    this.value += amount;
  }

  set(value: number): void {
    this.value = value;
  }

  show(): NumberValue {
    return { kind: this.kind, value: this.value };
  }
}

class HistogramCell implements Histogram {
  readonly boundaries: readonly number[];
  readonly #bucketCounts: number[];
  #count = 0;
  #sum = 0;
  #min = Infinity;
  #max = -Infinity;

  constructor(boundaries: readonly number[]) {
    this.boundaries = boundaries;
    this.#bucketCounts = new Array(boundaries.length + 1).fill(0);
  }

  record(value: number): void {
    this.#count++;
    this.#sum += value;
    this.#min = Math.min(this.#min, value);
    this.#max = Math.max(this.#max, value);
    const { boundaries } = this;
    let bucket = 0;
    while (bucket < boundaries.length && value > boundaries[bucket]!) bucket++;
    this.#bucketCounts[bucket]!++;
  }

  show(): HistogramValue {
    return {
      kind: "histogram",
      count: this.#count,
      sum: this.#sum,
      min: this.#min,
      max: this.#max,
      boundaries: this.boundaries,
      bucketCounts: [...this.#bucketCounts],
    };
  }
}

function shown({ name, description, labels, cell }: Series): Metric {
  return { name, description, labels, value: cell.show() };
}

function keyOf(name: string, labels: Labels): string {
  const sorted = Object.entries(labels).sort(([a], [b]) => a < b ? -1 : 1);
  return `${name} ${JSON.stringify(sorted)}`;
}

function checkBoundaries(name: string, boundaries: readonly number[]): void {
  const ascend = boundaries.every((value, i) =>
    Number.isFinite(value) && (i === 0 || value > boundaries[i - 1]!)
  );
  if (ascend) return;
  throw new DbError(
    "invalid",
    `boundaries of metric "${name}" must ascend: ${boundaries.join(", ")}`,
  );
}
