/**
 * Metrics that go to OpenTelemetry.
 *
 * Owns: turning registrations into instruments of a meter.
 * Does not own: the meter. The user brings it, and with it the package; what is
 * asked of it is spelled out here, so that nothing has to be installed where
 * nobody uses it.
 *
 * @module
 */
import type {
  Counter,
  Gauge,
  Histogram,
  Labels,
  Recorder,
  UpDownCounter,
} from "../base/metrics.ts";

/** An instrument that values are added to. */
export interface AddingInstrument {
  /** Adds a value. */
  add(value: number, attributes?: Record<string, string>): void;
}

/** An instrument that values are recorded with. */
export interface RecordingInstrument {
  /** Records a value. */
  record(value: number, attributes?: Record<string, string>): void;
}

/** What is asked of a meter: the part of `Meter` of `@opentelemetry/api` 1.9 that is used. */
export interface MeterLike {
  /** Makes a counter that only rises. */
  createCounter(
    name: string,
    options?: { description?: string },
  ): AddingInstrument;
  /** Makes a counter that moves both ways. */
  createUpDownCounter(
    name: string,
    options?: { description?: string },
  ): AddingInstrument;
  /** Makes a gauge. */
  createGauge(
    name: string,
    options?: { description?: string },
  ): RecordingInstrument;
  /** Makes a histogram. */
  createHistogram(
    name: string,
    options?: {
      description?: string;
      advice?: { explicitBucketBoundaries?: number[] };
    },
  ): RecordingInstrument;
}

/**
 * A recorder whose metrics are instruments of an OpenTelemetry meter, one for
 * each name; labels become attributes.
 *
 * @example
 * ```ts ignore
 * import { metrics } from "@opentelemetry/api";
 *
 * const recorder = new OpenTelemetryRecorder(metrics.getMeter("shale"));
 * const db = await Db.open("orders", { store, recorder });
 * ```
 */
export class OpenTelemetryRecorder implements Recorder {
  readonly #meter: MeterLike;
  readonly #adding = new Map<string, AddingInstrument>();
  readonly #recording = new Map<string, RecordingInstrument>();

  /**
   * Constructs a new {@linkcode OpenTelemetryRecorder}.
   *
   * @param meter Where the instruments are made.
   */
  constructor(meter: MeterLike) {
    this.#meter = meter;
  }

  /** {@inheritDoc Recorder.counter} */
  counter(name: string, description: string, labels?: Labels): Counter {
    const instrument = once(
      this.#adding,
      name,
      () => this.#meter.createCounter(name, { description }),
    );
    const attributes = { ...labels };
    return { add: (amount = 1) => instrument.add(amount, attributes) };
  }

  /** {@inheritDoc Recorder.gauge} */
  gauge(name: string, description: string, labels?: Labels): Gauge {
    const instrument = once(
      this.#recording,
      name,
      () => this.#meter.createGauge(name, { description }),
    );
    const attributes = { ...labels };
    return { set: (value) => instrument.record(value, attributes) };
  }

  /** {@inheritDoc Recorder.upDownCounter} */
  upDownCounter(
    name: string,
    description: string,
    labels?: Labels,
  ): UpDownCounter {
    const instrument = once(
      this.#adding,
      name,
      () => this.#meter.createUpDownCounter(name, { description }),
    );
    const attributes = { ...labels };
    return { add: (amount) => instrument.add(amount, attributes) };
  }

  /** {@inheritDoc Recorder.histogram} */
  histogram(
    name: string,
    description: string,
    boundaries: readonly number[],
    labels?: Labels,
  ): Histogram {
    const instrument = once(
      this.#recording,
      name,
      () =>
        this.#meter.createHistogram(name, {
          description,
          advice: { explicitBucketBoundaries: [...boundaries] },
        }),
    );
    const attributes = { ...labels };
    return { record: (value) => instrument.record(value, attributes) };
  }
}

function once<Instrument>(
  known: Map<string, Instrument>,
  name: string,
  make: () => Instrument,
): Instrument {
  const instrument = known.get(name) ?? make();
  known.set(name, instrument);
  return instrument;
}
