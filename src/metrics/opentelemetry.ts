import {
  metrics,
  trace,
  ValueType,
  type BatchObservableCallback,
  type Meter,
  type MeterProvider,
  type Observable,
  type TracerProvider,
} from '@opentelemetry/api';
import { afterThisCode } from '../clock.js';
import { invalidArgument } from '../errors.js';
import { flag, needing, optional, readOptions, type OptionsOf } from '../option-table.js';
import type { BrokerPool } from '../broker-pool.js';
import { described } from '../validation.js';
import { LIBRARY_NAME, LIBRARY_VERSION } from '../version.js';
import { produceFrom, type HistogramProducer } from './histogram-producer.js';
import { NUMBERS, SCHEMA_URL, type NumberInstrument } from './instruments.js';
import { checkPools, MeasuredPools, type Reading } from './reading.js';
import { PoolSpans } from './spans.js';

export type {
  CollectedHistograms,
  EmptyResource,
  HistogramData,
  HistogramPoint,
  HistogramProducer,
} from './histogram-producer.js';

const instrumentOptions = {
  /** Gets the metrics. @default the global one */
  meterProvider: optional<MeterProvider>(checkMeterProvider),
  /** Gets the spans. @default the global one */
  tracerProvider: needing(['spans'], optional<TracerProvider>(checkTracerProvider)),
  /** A span for each acquire and each connect. It makes an acquire many times as slow. @default false */
  spans: flag(),
  /**
   * One series for each target in place of one for the whole pool, with the attributes `broker_pool.target.service` and
   * `broker_pool.target.version`. @default false
   */
  byTarget: flag(),
};

/** Options of `instrument`. */
export interface InstrumentOptions extends OptionsOf<typeof instrumentOptions> {}

/** The instruments and spans of some pools. */
export interface Instrumentation extends Disposable {
  /** Removes all callbacks and listeners, and ends the spans under way. Idempotent. */
  stop(): void;
}

/** The pools of each `instrument` that has not stopped. */
const instrumented = new Set<MeasuredPools>();

/**
 * Observes a pool, or several, with instruments of OpenTelemetry: each collection reads the counters that the pool
 * keeps anyway. The histograms come by `histogramProducer`. A pool that has closed is observed once
 * more. Call it when the SDK has started: the API has no meter before that.
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT` naming the option, and where a pool is instrumented already
 */
export function instrument(
  pool: BrokerPool | readonly BrokerPool[],
  options: InstrumentOptions = {},
): Instrumentation {
  const { meterProvider, tracerProvider, spans, byTarget } = readOptions(instrumentOptions, options);
  const pools = checkPools(pool);
  for (const others of instrumented) others.refuse(pools);
  // The SDK repeats the last values of a series for ever: those of a pool that has closed must be of its end.
  const measured = new MeasuredPools(true);
  measured.add(pools, byTarget);
  instrumented.add(measured);
  const meter = (meterProvider ?? metrics).getMeter(LIBRARY_NAME, LIBRARY_VERSION, { schemaUrl: SCHEMA_URL });
  const observed = NUMBERS.map((metric) => ({ metric, observable: createObservable(meter, metric) }));
  const observables = observed.map(({ observable }) => observable);
  const callback: BatchObservableCallback = (result) => {
    for (const reading of measured.read())
      for (const { metric, observable } of observed)
        for (const { value, attributes } of observationsOf(metric, reading))
          result.observe(observable, value, attributes);
    // Not at once: the SDK walks through its callbacks.
    if (measured.size === 0) afterThisCode(() => stop());
  };
  meter.addBatchObservableCallback(callback, observables);
  const tracer = spans
    ? (tracerProvider ?? trace).getTracer(LIBRARY_NAME, LIBRARY_VERSION, { schemaUrl: SCHEMA_URL })
    : undefined;
  const traced = tracer === undefined ? [] : pools.map((one) => new PoolSpans(one, tracer));
  const stop = (): void => {
    instrumented.delete(measured);
    meter.removeBatchObservableCallback(callback, observables);
    for (const one of traced) one.stop();
  };
  return { stop, [Symbol.dispose]: stop };
}

/**
 * The histograms of all instrumented pools, for the option `metricProducers` of a metric reader. OpenTelemetry has no
 * instrument that takes a whole distribution; a metric producer of the SDK hands it over as it is.
 */
export function histogramProducer(): HistogramProducer {
  return produceFrom(() => [...instrumented].flatMap((pools) => pools.read()));
}

function createObservable(meter: Meter, { name, kind, unit, description }: NumberInstrument): Observable {
  const valueType = unit === 's' ? ValueType.DOUBLE : ValueType.INT;
  return meter[`createObservable${kind}`](name, { unit, description, valueType });
}

interface Observation {
  readonly value: number;
  readonly attributes: Record<string, string>;
}

function observationsOf(metric: NumberInstrument, reading: Reading): readonly Observation[] {
  const { attributes } = reading;
  const read = metric.read(reading);
  if (read === undefined) return [];
  if (typeof read === 'number') return [{ value: read, attributes: { ...attributes } }];
  const own = metric.attribute ?? '';
  return Object.entries(read).map(([word, value]) => ({ value, attributes: { ...attributes, [own]: word } }));
}

function checkMeterProvider(name: string, value: unknown): MeterProvider {
  if (hasMethod<MeterProvider>(value, 'getMeter')) return value;
  throw invalidArgument(name, `must be a MeterProvider, got ${described(value)}`);
}

function checkTracerProvider(name: string, value: unknown): TracerProvider {
  if (hasMethod<TracerProvider>(value, 'getTracer')) return value;
  throw invalidArgument(name, `must be a TracerProvider, got ${described(value)}`);
}

function hasMethod<T>(value: unknown, name: string & keyof T): value is T {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, name) === 'function';
}
