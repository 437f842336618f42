import { register as globalRegister, type Registry, type RegistryContentType } from 'prom-client';
import type { DurationHistogram } from '../histogram.js';
import { invalidArgument } from '../errors.js';
import { converted, flag, readOptions, type OptionsOf } from '../option-table.js';
import type { BrokerPool } from '../broker-pool.js';
import { described, quoted } from '../validation.js';
import {
  HISTOGRAMS,
  NUMBERS,
  prometheusLabel,
  prometheusName,
  type HistogramInstrument,
  type Instrument,
  type NumberInstrument,
} from './instruments.js';
import { checkPools, MeasuredPools, type Reading } from './reading.js';

const collectorOptions = {
  /** The registry that gets the metrics. @default the global registry of prom-client */
  register: converted<Registry<RegistryContentType>, MetricRegistry>(checkRegister, () => globalRegister),
  /**
   * One series for each target in place of one for the whole pool, with the labels `broker_pool_target_service` and
   * `broker_pool_target_version`. @default false
   */
  byTarget: flag(),
};

/** Options of `collector`. */
export interface CollectorOptions extends OptionsOf<typeof collectorOptions> {}

/** The metrics of some pools in a registry. */
export interface PoolCollector extends Disposable {
  /** Takes the pools out of the registry, and the metrics with the last of its pools. Idempotent. */
  stop(): void;
}

/** The part of prom-client's registry that is used. Any object with these members of a metric may be in one. */
interface MetricRegistry {
  registerMetric(metric: RegisteredMetric): void;
  getSingleMetric(name: string): unknown;
  removeSingleMetric(name: string): void;
}

interface RegisteredMetric {
  get(): Promise<unknown>;
  reset(): void;
}

/** Pools and their metrics, by registry: the pools of several collectors are series of the same metrics. */
const collected = new WeakMap<MetricRegistry, { pools: MeasuredPools; metrics: readonly PoolMetric[] }>();

/**
 * Puts the metrics of a pool, or of several, into a registry of prom-client. A scrape reads the counters that the pool
 * keeps anyway; an acquire costs nothing more. A pool that has closed leaves the registry with the next scrape.
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT` naming the option: also where the registry has other metrics by these
 * names, or has the pool already
 */
export function collector(
  pool: BrokerPool | readonly BrokerPool[],
  options: CollectorOptions = {},
): PoolCollector {
  const { register, byTarget } = readOptions(collectorOptions, options);
  const pools = checkPools(pool);
  const known = collected.get(register) ?? newMetrics();
  checkNames(register, known.metrics);
  known.pools.add(pools, byTarget);
  collected.set(register, known);
  for (const metric of known.metrics)
    if (register.getSingleMetric(metric.key) !== metric) register.registerMetric(metric);
  const stop = (): void => {
    known.pools.delete(pools);
    if (known.pools.size > 0) return;
    collected.delete(register);
    for (const metric of known.metrics)
      if (register.getSingleMetric(metric.key) === metric) register.removeSingleMetric(metric.key);
  };
  return { stop, [Symbol.dispose]: stop };
}

function newMetrics(): { pools: MeasuredPools; metrics: readonly PoolMetric[] } {
  const pools = new MeasuredPools(false);
  const metrics = [...NUMBERS, ...HISTOGRAMS].map((instrument) => new PoolMetric(instrument, pools));
  return { pools, metrics };
}

/** A registry that refuses one metric in the middle would keep those before it. */
function checkNames(register: MetricRegistry, metrics: readonly PoolMetric[]): void {
  for (const metric of metrics) {
    const present = register.getSingleMetric(metric.key);
    if (present !== undefined && present !== metric)
      throw invalidArgument(
        'register',
        `has another metric named ${quoted(metric.key)}; give the pool's metrics a registry of their own`,
      );
  }
}

function checkRegister(name: string, value: unknown): MetricRegistry {
  if (isRegistry(value)) return value;
  throw invalidArgument(name, `must be a Registry of prom-client, got ${described(value)}`);
}

function isRegistry(value: unknown): value is MetricRegistry {
  return (
    typeof value === 'object' &&
    value !== null &&
    ['registerMetric', 'getSingleMetric', 'removeSingleMetric'].every(
      (name) => typeof Reflect.get(value, name) === 'function',
    )
  );
}

interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly metricName?: string;
}

/**
 * A metric whose samples are made when it is asked for them. It is of no class of prom-client: those count by
 * themselves, and their histograms take one duration at a time.
 */
class PoolMetric implements RegisteredMetric {
  /** The name under which the registry keeps the metric. */
  readonly key: string;
  /** The registry of the OpenMetrics format takes the `_total` off. */
  name: string;
  readonly help: string;
  readonly type: string;
  readonly aggregator: string;
  readonly #instrument: Instrument;
  readonly #pools: MeasuredPools;

  constructor(instrument: Instrument, pools: MeasuredPools) {
    this.key = prometheusName(instrument);
    this.name = this.key;
    this.help = instrument.description;
    this.type = TYPES[instrument.kind];
    // For the sum over the processes of a cluster.
    this.aggregator = instrument.kind === 'Gauge' ? 'max' : 'sum';
    this.#instrument = instrument;
    this.#pools = pools;
  }

  async get(): Promise<object> {
    const { name, help, type, aggregator } = this;
    const instrument = this.#instrument;
    const values = this.#pools
      .read()
      .flatMap((reading) =>
        instrument.kind === 'Histogram'
          ? histogramSamples(this.key, instrument, reading)
          : numberSamples(instrument, reading),
      );
    return { name, help, type, aggregator, values };
  }

  /** The counters are the pool's. */
  reset(): void {}
}

const TYPES = { Counter: 'counter', UpDownCounter: 'gauge', Gauge: 'gauge', Histogram: 'histogram' } as const;

function labelsOf({ attributes }: Reading): Record<string, string> {
  return Object.fromEntries(
    Object.entries(attributes).map(([attribute, value]) => [prometheusLabel(attribute), value]),
  );
}

function numberSamples(instrument: NumberInstrument, reading: Reading): readonly Sample[] {
  const labels = labelsOf(reading);
  const read = instrument.read(reading);
  if (read === undefined) return [];
  if (typeof read === 'number') return [{ labels, value: read }];
  const label = prometheusLabel(instrument.attribute ?? '');
  return Object.entries(read).map(([word, value]) => ({ labels: { ...labels, [label]: word }, value }));
}

/** Buckets of Prometheus count all durations up to their bound. */
function histogramSamples(
  name: string,
  instrument: HistogramInstrument,
  reading: Reading,
): readonly Sample[] {
  const labels = labelsOf(reading);
  const { count, sumMs, boundsMs, counts }: DurationHistogram = instrument.read(reading);
  let below = 0;
  const buckets = boundsMs.map((boundMs, index) => {
    below += counts[index] ?? 0;
    return { metricName: `${name}_bucket`, labels: { ...labels, le: boundMs / 1_000 }, value: below };
  });
  return [
    ...buckets,
    { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
    { metricName: `${name}_sum`, labels, value: sumMs / 1_000 },
    { metricName: `${name}_count`, labels, value: count },
  ];
}
