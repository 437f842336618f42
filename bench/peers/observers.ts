import { strict as assert } from 'node:assert';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { Registry } from 'prom-client';
import type { BrokerPool } from '../../src/index.js';
import { histogramProducer, instrument } from '../../src/metrics/opentelemetry.js';
import { collector } from '../../src/metrics/prometheus.js';

export const UNOBSERVED = 'not observed';
export const SCRAPED = 'scraped by Prometheus';
export const COLLECTED = 'collected by OpenTelemetry, with histograms';
export const OBSERVERS = [UNOBSERVED, SCRAPED, COLLECTED] as const;
export type Observer = (typeof OBSERVERS)[number];

class Reader extends MetricReader {
  protected async onShutdown(): Promise<void> {}

  protected async onForceFlush(): Promise<void> {}
}

/** Observes a pool. The result scrapes or collects once, and checks that the pool is in it. */
export function observe(pool: BrokerPool, observer: Observer): () => Promise<void> {
  if (observer === SCRAPED) {
    const register = new Registry();
    collector(pool, { register });
    return async () => assert((await register.metrics()).includes('use_time_seconds_bucket'));
  }
  if (observer === COLLECTED) {
    const reader = new Reader({ metricProducers: [histogramProducer()] });
    instrument(pool, { meterProvider: new MeterProvider({ readers: [reader] }) });
    return async () => assert.equal((await reader.collect()).resourceMetrics.scopeMetrics.length, 2);
  }
  return async () => {};
}
