import type { ErrorCode } from '../errors.js';
import type { DurationHistogram } from '../histogram.js';
import type { Reading } from './reading.js';

/** The version of the OpenTelemetry semantic conventions whose names and units are used. */
const CONVENTIONS_VERSION = '1.44.0';
export const SCHEMA_URL = `https://opentelemetry.io/schemas/${CONVENTIONS_VERSION}`;

interface Described {
  /** As OpenTelemetry names it. */
  readonly name: string;
  /** In UCUM, as OpenTelemetry wants it. */
  readonly unit: string;
  readonly description: string;
}

/** A metric with one number for each series. */
export interface NumberInstrument extends Described {
  readonly kind: 'Counter' | 'UpDownCounter' | 'Gauge';
  /** The attribute that tells the numbers of one reading apart. */
  readonly attribute?: string;
  /** One number; with `attribute`, one for each value of it. `undefined` where the reading has none. */
  read(reading: Reading): number | Readonly<Record<string, number>> | undefined;
}

/** A metric with a distribution of durations for each series. */
export interface HistogramInstrument extends Described {
  readonly kind: 'Histogram';
  readonly unit: 's';
  read(reading: Reading): DurationHistogram;
}

export type Instrument = NumberInstrument | HistogramInstrument;

/** Codes with which an acquire fails, from 0: a series that begins with its first failure hides that from `rate()`. */
export const NO_FAILURES = {
  ABORTED: 0,
  BACKEND_CONNECT: 0,
  BROKER_CONNECT: 0,
  DECODE_FRAME: 0,
  DECODE_HELLO_REPLY: 0,
  EMPTY_BACKEND_PIPE: 0,
  FRAME_IO: 0,
  FRAME_TOO_LARGE: 0,
  FRAMING_VERSION: 0,
  IDENTITY_FILE: 0,
  IDENTITY_MISMATCH: 0,
  MISSING_HELLO_REPLY_RESULT: 0,
  POOL_CLOSED: 0,
  QUEUE_FULL: 0,
  REFUSED: 0,
  TIMEOUT: 0,
  UNEXPECTED_EOF: 0,
  UNEXPECTED_RESPONSE_FRAME: 0,
} as const satisfies Partial<Record<ErrorCode, 0>>;

/**
 * Names of the conventions first, in their order; the conventions have no names for the others. A new metric is an
 * entry here, then `npm run generate:docs`. It reads `stats()`: a new count is a field of `PoolCounts`.
 */
export const NUMBERS: readonly NumberInstrument[] = [
  {
    name: 'db.client.connection.count',
    kind: 'UpDownCounter',
    unit: '{connection}',
    attribute: 'db.client.connection.state',
    description:
      'Open connections. Used ones are leased, detached, being validated, or sending their last bytes.',
    read: ({ counts: { total, idle } }) => ({ idle, used: total - idle }),
  },
  {
    name: 'db.client.connection.idle.max',
    kind: 'UpDownCounter',
    unit: '{connection}',
    description: 'Idle connections at most: all that may be open may be idle.',
    read: ({ max }) => max,
  },
  {
    name: 'db.client.connection.idle.min',
    kind: 'UpDownCounter',
    unit: '{connection}',
    description: 'Connections that the pool keeps open.',
    read: ({ min }) => min,
  },
  {
    name: 'db.client.connection.max',
    kind: 'UpDownCounter',
    unit: '{connection}',
    description: 'Connections at most: max for each target, maxTotal for all.',
    read: ({ max }) => max,
  },
  {
    name: 'db.client.connection.pending_requests',
    kind: 'UpDownCounter',
    unit: '{request}',
    description: 'Callers that wait for a connection.',
    read: ({ counts }) => counts.waiting,
  },
  {
    name: 'db.client.connection.timeouts',
    kind: 'Counter',
    unit: '{timeout}',
    description: 'Acquires that failed because their time was up.',
    read: ({ counts }) => counts.timeouts,
  },
  {
    name: 'broker_pool.acquire.served',
    kind: 'Counter',
    unit: '{acquire}',
    attribute: 'broker_pool.route',
    description: 'Leases that callers have got.',
    read: ({ counts }) => counts.acquiredByRoute,
  },
  {
    name: 'broker_pool.acquire.failures',
    kind: 'Counter',
    unit: '{acquire}',
    attribute: 'error.type',
    description: 'Acquires that failed, by the code of their error.',
    read: ({ counts }) => ({ ...NO_FAILURES, ...counts.failuresByCode }),
  },
  {
    name: 'broker_pool.acquire.oldest_wait',
    kind: 'Gauge',
    unit: 's',
    description: 'How long the caller at the head of the queue has waited; 0 without callers that wait.',
    read: ({ counts }) => counts.oldestWaitMs / 1_000,
  },
  {
    name: 'broker_pool.connect.active',
    kind: 'UpDownCounter',
    unit: '{connect}',
    attribute: 'broker_pool.connect.state',
    description: 'Connects under way. Pausing ones wait before another attempt.',
    read: ({ counts: { connecting, pausing } }) => ({ connecting, pausing }),
  },
  {
    name: 'broker_pool.connect.failures',
    kind: 'Counter',
    unit: '{connect}',
    description: 'Connects that failed for good.',
    read: ({ counts }) => counts.connectFailures,
  },
  {
    name: 'broker_pool.connect.retries',
    kind: 'Counter',
    unit: '{attempt}',
    description: 'Attempts of connects that failed and were tried again.',
    read: ({ counts }) => counts.retries,
  },
  {
    name: 'broker_pool.connection.created',
    kind: 'Counter',
    unit: '{connection}',
    attribute: 'broker_pool.route',
    description: 'Connections that were opened.',
    read: ({ counts }) => counts.createdByRoute,
  },
  {
    name: 'broker_pool.connection.closed',
    kind: 'Counter',
    unit: '{connection}',
    attribute: 'broker_pool.close.reason',
    description: 'Connections that were closed.',
    read: ({ counts }) => counts.closedByReason,
  },
  {
    name: 'broker_pool.endpoint_cache.size',
    kind: 'UpDownCounter',
    unit: '{endpoint}',
    description: 'Endpoints in the cache; of the whole pool only.',
    read: ({ cachedEndpoints }) => cachedEndpoints,
  },
];

export const HISTOGRAMS: readonly HistogramInstrument[] = [
  {
    name: 'db.client.connection.create_time',
    kind: 'Histogram',
    unit: 's',
    description: 'How long connects took that succeeded, with all their attempts.',
    read: ({ counts }) => counts.connectMs,
  },
  {
    name: 'db.client.connection.wait_time',
    kind: 'Histogram',
    unit: 's',
    description: 'How long callers waited until they had their lease.',
    read: ({ counts }) => counts.waitMs,
  },
  {
    name: 'db.client.connection.use_time',
    kind: 'Histogram',
    unit: 's',
    description: 'How long the leases took that have ended.',
    read: ({ counts }) => counts.useMs,
  },
];

/**
 * The name in Prometheus, as its receiver of OTLP translates it by default, so that one dashboard fits both: `_` for
 * dots, the unit of durations and `_total` at the end.
 */
export function prometheusName({ name, unit, kind }: Instrument): string {
  const words = [
    prometheusLabel(name),
    ...(unit === 's' ? ['seconds'] : []),
    ...(kind === 'Counter' ? ['total'] : []),
  ];
  return words.join('_');
}

/** The name of a label in Prometheus. */
export function prometheusLabel(attribute: string): string {
  return attribute.replaceAll('.', '_');
}
