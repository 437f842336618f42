/** Traces and metrics of a pool by the OpenTelemetry SDK: `node tracing.ts`. */
import { once } from 'node:events';
import { context, metrics, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace-base';
import { BrokerPool } from 'broker-pool';
import { histogramProducer, instrument } from 'broker-pool/opentelemetry';
import { startTestSystem } from 'broker-pool/testing';

// A service would take exporters for its collector here.
const spans = new InMemorySpanExporter();
const numbers = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({
  exporter: numbers,
  metricProducers: [histogramProducer()],
});
const meterProvider = new MeterProvider({ readers: [reader] });
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }));
metrics.setGlobalMeterProvider(meterProvider);

const system = await startTestSystem();
const pool = new BrokerPool({ ...system.target, name: 'traced' });
const instrumentation = instrument(pool, { spans: true });

/** Work with a span of its own. What is awaited in it has that span as its parent. */
async function handle(word: string): Promise<void> {
  await trace.getTracer('service').startActiveSpan(`handle ${word}`, async (span) => {
    await pool.use(async ({ socket }) => {
      socket.write(word);
      await once(socket, 'data');
    });
    span.end();
  });
}

await handle('one');
await handle('two');
await meterProvider.forceFlush();
const names = numbers
  .getMetrics()
  .flatMap(({ scopeMetrics }) => scopeMetrics)
  .flatMap((scope) => scope.metrics.map(({ descriptor }) => descriptor.name));
instrumentation.stop();
await pool.close();
await system.stop();
await meterProvider.shutdown();

/** Prints the spans below one, each below its parent. */
function print(parent: string | undefined, indent: string): void {
  for (const span of childrenOf(parent)) {
    const route = span.attributes['broker_pool.route'];
    console.log(`${indent}${span.name}${route === undefined ? '' : ` (${String(route)})`}`);
    print(span.spanContext().spanId, `${indent}  `);
  }
}

function childrenOf(parent: string | undefined): ReadableSpan[] {
  return spans.getFinishedSpans().filter((span) => span.parentSpanContext?.spanId === parent);
}

print(undefined, '');
console.log(`metrics: ${names.length}, of these by the conventions for databases: ${countOf('db.client.')}`);

function countOf(prefix: string): number {
  return names.filter((name) => name.startsWith(prefix)).length;
}
