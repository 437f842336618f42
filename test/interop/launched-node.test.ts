/** A Node single executable as the backend that the shipped broker launches. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { installServiceDefinition } from '../../src/backend/index.js';
import { until } from '../helpers/leftovers.js';
import { interopTest, program } from './interop.js';
import { ECHO_PROTOCOL, rustRequests, type RustReport, type RustWay } from './rust-frames.js';
import { installShippedBroker, ShippedBroker } from './shipped-broker.js';

const MAKER = fileURLToPath(new URL('../../examples/single-executable.js', import.meta.url));
const BACKEND = fileURLToPath(new URL('../../src/backend/index.js', import.meta.url));
const SERVICE = 'echo-service';
const ROUND = { n: 500, threads: 4, sizes: '0..65536' };

/**
 * A single executable around this build of the library. It loads the modules from where they are: the bundle
 * of a service would contain them.
 */
function makeExecutable(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'bpe-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const main = join(directory, 'main.cjs');
  const backend = JSON.stringify(BACKEND);
  writeFileSync(
    main,
    `const { serveBackend } = require('node:module').createRequire(${backend})(${backend});
serveBackend({ payloadProtocols: [${ECHO_PROTOCOL}], onRequest: ({ payload }) => payload });
`,
  );
  const executable = join(directory, SERVICE);
  execFileSync(process.execPath, [MAKER, main, executable], { stdio: 'ignore' });
  return executable;
}

const MOST_ATTEMPTS = 20;
const RETRY_AFTER_MS = 1_000;

/** On a busy machine the broker may give up on a backend that it has just launched (L-15), and says when to ask again. */
async function launching(way: RustWay): Promise<RustReport> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await rustRequests(program, way, { n: 50, sizes: ROUND.sizes });
    } catch (error) {
      if (attempt === MOST_ATTEMPTS || !/backend spawn/.test(String(error))) throw error;
      await delay(RETRY_AFTER_MS);
    }
  }
}

interopTest(
  'the shipped broker launches a Node single executable, launches it again, and the crate talks to it (L-20 to L-24)',
  async (t) => {
    installShippedBroker();
    const shipped = await ShippedBroker.start(t);
    const binaryPath = makeExecutable(t);
    await installServiceDefinition({ serviceName: SERVICE, binaryPath, directory: shipped.definitions });
    shipped.launches(binaryPath);
    const broker = { broker: shipped.endpoint, service: SERVICE, version: '1.2.3' };
    const startedMs = performance.now();
    const first = await launching({ broker });
    t.log(`first launch: ${Math.round(performance.now() - startedMs)} ms`);
    t.is(first.route, 'broker-negotiated');
    t.like(await rustRequests(program, { broker }, ROUND), { endpoint: first.endpoint, failures: 0 });
    t.true(existsSync(first.endpoint));
    shipped.endBackends();
    t.true(await until(() => !existsSync(first.endpoint)), 'SIGTERM removes its socket (L-27)');
    const second = await launching({ broker });
    t.is(second.route, 'broker-negotiated');
    t.not(second.endpoint, first.endpoint);
    t.is(await shipped.stop(), 0);
    t.like(await rustRequests(program, { broker, cached: second.endpoint }, ROUND), { route: 'hello-skip' });
  },
);
