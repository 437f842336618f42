import { ValueType } from '@opentelemetry/api';
import { startedAtUnixMs, wallNowMs } from '../clock.js';
import { LIBRARY_NAME, LIBRARY_VERSION } from '../version.js';
import { HISTOGRAMS, SCHEMA_URL, type HistogramInstrument } from './instruments.js';
import type { Reading } from './reading.js';

/** One series of a histogram. */
export interface HistogramPoint {
  startTime: [seconds: number, nanoseconds: number];
  endTime: [seconds: number, nanoseconds: number];
  attributes: Record<string, string>;
  value: {
    /** In seconds; a duration equal to a boundary belongs below it. */
    buckets: { boundaries: number[]; counts: number[] };
    count: number;
    sum: number;
  };
}

/** A histogram with all its series. */
export interface HistogramData {
  descriptor: { name: string; description: string; unit: string; valueType: ValueType };
  /** `AggregationTemporality.CUMULATIVE` of the SDK. */
  aggregationTemporality: 1;
  /** `DataPointType.HISTOGRAM` of the SDK. */
  dataPointType: 0;
  dataPoints: HistogramPoint[];
}

/** A `Resource` of the SDK, which takes that of the reader in its place. */
export interface EmptyResource {
  attributes: Record<string, string>;
  merge<Other>(other: Other | null): Other | EmptyResource;
  getRawAttributes(): [];
}

/** The result of a producer, for a reader of the SDK. */
export interface CollectedHistograms {
  resourceMetrics: {
    resource: EmptyResource;
    scopeMetrics: { scope: { name: string; version: string; schemaUrl: string }; metrics: HistogramData[] }[];
  };
  errors: unknown[];
}

/** A `MetricProducer` of `@opentelemetry/sdk-metrics`, which is not imported. */
export interface HistogramProducer {
  collect(): Promise<CollectedHistograms>;
}

const EMPTY: EmptyResource = {
  attributes: {},
  merge: (other) => other ?? EMPTY,
  getRawAttributes: () => [],
};

/** @param read the readings at the moment of a collection */
export function produceFrom(read: () => readonly Reading[]): HistogramProducer {
  return {
    async collect() {
      const readings = read();
      const startTime = timeOf(startedAtUnixMs);
      const endTime = timeOf(wallNowMs());
      const metrics = HISTOGRAMS.map((instrument): HistogramData => {
        const { name, description, unit } = instrument;
        return {
          descriptor: { name, description, unit, valueType: ValueType.DOUBLE },
          aggregationTemporality: 1,
          dataPointType: 0,
          dataPoints: readings.map((reading) => pointOf(instrument, reading, startTime, endTime)),
        };
      });
      const scope = { name: LIBRARY_NAME, version: LIBRARY_VERSION, schemaUrl: SCHEMA_URL };
      // A metric without series is left out.
      const scopeMetrics = readings.length === 0 ? [] : [{ scope, metrics }];
      return { resourceMetrics: { resource: EMPTY, scopeMetrics }, errors: [] };
    },
  };
}

/** @param startTime a time at which all counts were 0 */
function pointOf(
  instrument: HistogramInstrument,
  reading: Reading,
  startTime: HistogramPoint['startTime'],
  endTime: HistogramPoint['endTime'],
): HistogramPoint {
  const { boundsMs, counts, count, sumMs } = instrument.read(reading);
  return {
    startTime,
    endTime,
    attributes: { ...reading.attributes },
    value: {
      buckets: { boundaries: boundsMs.map((boundMs) => boundMs / 1_000), counts: [...counts] },
      count,
      sum: sumMs / 1_000,
    },
  };
}

function timeOf(unixMs: number): HistogramPoint['startTime'] {
  const seconds = Math.floor(unixMs / 1_000);
  return [seconds, Math.round((unixMs - seconds * 1_000) * 1_000_000)];
}
