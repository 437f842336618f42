/**
 * An HTTP service in front of a backend, with metrics, a health check, and an end that loses no request:
 * `node http-service.ts --service demo --version 1.0.0 --port 8080`
 *
 * Without `--service` it starts a broker and a backend to try it with. Ctrl-C and SIGTERM end it.
 */
import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { BrokerPool } from 'broker-pool';
import { httpAgent } from 'broker-pool/http';
import { collector } from 'broker-pool/prometheus';
import { startTestSystem } from 'broker-pool/testing';
import { register } from 'prom-client';

const { values } = parseArgs({
  options: {
    service: { type: 'string' },
    version: { type: 'string', default: '1.0.0' },
    port: { type: 'string', default: '0' },
  },
});
const system =
  values.service === undefined
    ? await startTestSystem({
        backend: { onHttp: (incoming, answer) => answer.end(`the backend got ${incoming.url}\n`) },
      })
    : undefined;
const target = system?.target ?? { serviceName: values.service, wantedVersion: values.version };

const pool = new BrokerPool({ ...target, name: 'http-service', max: 20 });
const agent = httpAgent(pool);
const metrics = collector(pool);
/** How long the backend may take for an answer, connecting included. */
const LIMIT_MS = 10_000;
let ending = false;

/** Asks the backend, and answers with what it says. */
async function forward({ method, url = '/' }: IncomingMessage, answer: ServerResponse): Promise<void> {
  const signal = AbortSignal.timeout(LIMIT_MS);
  const outgoing = request(`http://backend${url}`, { agent, method, signal }).end();
  const [response]: IncomingMessage[] = await once(outgoing, 'response');
  if (response === undefined) throw new Error('the backend did not answer');
  answer.writeHead(response.statusCode ?? 502, {
    'content-type': response.headers['content-type'] ?? 'text/plain',
  });
  await pipeline(response, answer);
}

/** Whether the service can do its work. A pool that is busy is healthy: it must not wait in its own queue. */
async function isHealthy(): Promise<boolean> {
  if (ending) return false;
  if (pool.stats().total > 0) return true;
  return await pool.use(() => true, { timeoutMs: 1_000 }).catch(() => false);
}

async function serve(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
  if (ending) answer.setHeader('connection', 'close');
  if (incoming.url === '/metrics') {
    answer.setHeader('content-type', register.contentType).end(await register.metrics());
  } else if (incoming.url === '/healthz') {
    const healthy = await isHealthy();
    answer.writeHead(healthy ? 200 : 503).end(healthy ? 'ok\n' : 'unavailable\n');
  } else await forward(incoming, answer);
}

const server = createServer((incoming, answer) => {
  serve(incoming, answer).catch((error: NodeJS.ErrnoException) => {
    // An error of the pool, of the connection to the backend, or of the limit: its code says which.
    const isLate = error.code === 'TIMEOUT' || error.name === 'AbortError';
    if (answer.headersSent) answer.destroy();
    else answer.writeHead(isLate ? 504 : 502).end(`${error.code ?? 'error'}: ${error.message}\n`);
  });
});

/** Takes no new request, answers those under way, then closes the pool. */
async function end(): Promise<void> {
  ending = true;
  const closed = once(server, 'close');
  server.close();
  // The backend has its limit. A client that does not read its answer must not hold up the end either.
  const giveUp = setTimeout(() => server.closeAllConnections(), LIMIT_MS);
  await closed;
  clearTimeout(giveUp);
  metrics.stop();
  await pool.close({ timeoutMs: 5_000 });
  await system?.stop();
  console.log('ended');
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void end());
await once(server.listen(Number(values.port), '127.0.0.1'), 'listening');
const address = server.address();
const port = typeof address === 'object' ? address?.port : undefined;
console.log(`http://127.0.0.1:${port}/ /metrics /healthz`);
