/** Clients over the agent and the connector: answers, and what becomes of a pool's error. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import axios, { AxiosError } from 'axios';
import { got, RequestError } from 'got';
import ky from 'ky';
import { Agent } from 'undici';
import { httpAgent, undiciConnector } from '../../src/http/index.js';
import { scaled } from '../helpers/patience.js';
import { poolBefore } from '../helpers/pools.js';
import test from '../helpers/sanitary.js';
import { httpServer } from './kit.js';

const UNKNOWN = { serviceName: 'unknown' };
const ADDRESS = 'http://backend/one';

test('got posts over the agent, and its error has the code and the cause of the pool', async (t) => {
  const pool = await poolBefore(t, httpServer());
  t.is(await got.post(ADDRESS, { agent: { http: httpAgent(pool) }, body: 'word' }).text(), 'POST /one word');
  const agent = { http: httpAgent(pool, UNKNOWN) };
  const error = await t.throwsAsync(got(ADDRESS, { agent }).text(), { instanceOf: RequestError });
  t.is(error?.code, 'REFUSED');
  t.like(error?.cause, { code: 'REFUSED', serviceName: 'unknown' });
});

test('axios posts over the agent, and its error has the code and the cause of the pool', async (t) => {
  const pool = await poolBefore(t, httpServer());
  const { data } = await axios.post<string>(ADDRESS, 'word', { httpAgent: httpAgent(pool) });
  t.is(data, 'POST /one word');
  const failing = axios.get(ADDRESS, { httpAgent: httpAgent(pool, UNKNOWN) });
  const error = await t.throwsAsync(failing, { instanceOf: AxiosError });
  t.is(error?.code, 'REFUSED');
  t.like(error?.cause, { code: 'REFUSED', serviceName: 'unknown' });
});

test("Node's fetch and ky post over the connector, and have the error of the pool as the cause", async (t) => {
  const pool = await poolBefore(t, httpServer());
  const dispatchers = [
    new Agent({ connect: undiciConnector(pool) }),
    new Agent({ connect: undiciConnector(pool, UNKNOWN) }),
  ];
  // Node's fetch takes them, but is declared with the types of another undici.
  const [good, failing]: object[] = dispatchers.map((dispatcher) => ({ dispatcher }));
  const response = await fetch(ADDRESS, { ...good, method: 'POST', body: 'word' });
  t.is(await response.text(), 'POST /one word');
  t.is(await ky.post(ADDRESS, { ...good, body: 'word' }).text(), 'POST /one word');
  for (const asking of [fetch(ADDRESS, failing), ky(ADDRESS, { ...failing, retry: 0 }).text()]) {
    const error = await t.throwsAsync(asking, { instanceOf: TypeError });
    t.like(error?.cause, { code: 'REFUSED', serviceName: 'unknown' });
  }
  for (const dispatcher of dispatchers) await dispatcher.close();
});

/** The output of an example, which must not write to its standard error. */
async function outputOf(example: string): Promise<string> {
  const path = fileURLToPath(new URL(`../../examples/${example}.js`, import.meta.url));
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [path], { timeout: scaled(40_000) });
  if (stderr !== '') throw new Error(stderr);
  return stdout;
}

test('the example of HTTP clients runs as it stands', async (t) => {
  t.is(
    await outputOf('http-clients'),
    'hello http.get\nhello got\nhello axios\nhello fetch\nhello undici\nhello ky\nconnections made: 3\n',
  );
});

test('the example of gRPC runs as it stands', async (t) => {
  t.regex(await outputOf('grpc'), /^hello gRPC\n14 UNAVAILABLE: broker refused Hello: .*\n$/);
});
