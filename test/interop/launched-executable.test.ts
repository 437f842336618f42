/** A Node backend as a single executable, launched by the broker as its authors ship it. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Socket } from 'node:net';
import type { ExecutionContext } from 'ava';
import { BrokerPool } from '../../src/index.js';
import { encodeFrameToWire } from '../../src/wire/messages.js';
import { until } from '../helpers/leftovers.js';
import { framesIn, readBytes } from '../testing/raw-peer.js';
import { interopTest, program } from './interop.js';
import { rustRequests } from './rust-frames.js';
import { BUILD_LIMIT_MS, installShippedBroker, ShippedBroker } from './shipped-broker.js';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** Bundles the program and makes an executable of it, as docs/backend.md says. */
function makeExecutable(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'bpx-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const bundle = join(folder, 'program.cjs');
  // Piped: an error tells what the program wrote.
  const silent = { stdio: 'pipe' } as const;
  const parameters = [
    '--bundle',
    '--platform=node',
    '--format=cjs',
    '--log-level=error',
    `--outfile=${bundle}`,
  ];
  execFileSync('npx', ['--yes', 'esbuild@0.28', path('launched-program.js'), ...parameters], silent);
  const executable = join(folder, 'program');
  execFileSync(process.execPath, [path('../../examples/single-executable.js'), bundle, executable], silent);
  return executable;
}

async function ask(socket: Socket, text: string): Promise<string> {
  const request = { envelopeVersion: 1, payloadProtocol: 0xf001, payload: Buffer.from(text), requestId: 1n };
  socket.write(encodeFrameToWire(request));
  const header = await readBytes(socket, 5);
  const [answer] = framesIn(Buffer.concat([header, await readBytes(socket, header.readUInt32LE(1))]));
  return Buffer.from(answer!.payload).toString();
}

interopTest(
  'the broker launches a Node backend, whose hash is kept or not; SIGTERM ends it, and the next Hello launches another (D-24, L-20 to L-23, L-27)',
  async (t) => {
    // In a fresh clone this compiles the broker.
    t.timeout(BUILD_LIMIT_MS + 180_000);
    installShippedBroker();
    const broker = await ShippedBroker.start(t);
    const executable = makeExecutable(t);
    for (const [serviceName, keepsHash] of [
      ['kept', true],
      ['hashed', false],
    ] as const) {
      const binaryPath = await broker.install(serviceName, executable);
      if (!keepsHash) rmSync(`${binaryPath}.blake3.json`);
      await using pool = new BrokerPool({
        brokerEndpoint: broker.endpoint,
        serviceName,
        wantedVersion: '1.2.3',
      });
      const first = await pool.acquire();
      const firstEndpoint = first.endpoint;
      t.is(first.route, 'broker-negotiated');
      t.is(await ask(first.socket, 'works'), 'WORKS');
      const launch: object = JSON.parse(await ask(first.socket, 'launch'));
      t.like(launch, { serviceName, serviceVersion: '1.2.3', endpoint: firstEndpoint });
      const second = await pool.acquire();
      t.is(second.route, 'hello-skip');
      t.is(await ask(second.socket, 'again'), 'AGAIN');
      first.release();
      second.release();
      // The program answers in capitals: this text comes back as it is.
      const crate = { broker: { broker: broker.endpoint, service: serviceName, version: '1.2.3' } };
      const text = { protocol: 0xf001, payload: 'FROM THE CRATE' };
      const report = await rustRequests(program, crate, { n: 20 }, text);
      t.like(report, { route: 'broker-negotiated', endpoint: firstEndpoint, n: 20, failures: 0 });
      broker.endBackends(serviceName);
      t.true(await until(() => !existsSync(firstEndpoint)), 'SIGTERM: the socket file is gone');
      t.true(await until(() => pool.stats().total === 0));
      await pool.use(async ({ endpoint, route, socket }) => {
        t.is(route, 'broker-negotiated');
        t.not(endpoint, firstEndpoint);
        t.is(await ask(socket, 'next'), 'NEXT');
      });
      broker.endBackends(serviceName);
    }
  },
);
