/** The crate's clients against a Node backend. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { interopTest, program } from './interop.js';
import { NodeBackend } from './node-backend.js';
import { RealBroker } from './real-broker.js';
import { rustRequests, type RustReport, type RustWay } from './rust-frames.js';

const ROUND = { n: 500, threads: 4, sizes: '0..65536' };

interopTest("the crate's frame client gets its bytes back from a Node backend", async (t) => {
  await using backend = await NodeBackend.start();
  const { endpoint } = backend;
  t.like(await rustRequests(program, { endpoint }, ROUND), { route: 'endpoint', n: 500, failures: 0 });
  t.like(await backend.stats(), { requests: 500, probes: 0 });
});

interopTest("the crate's probe finds a Node backend alive by its identity file (P-22, P-26)", async (t) => {
  await using backend = await NodeBackend.start();
  const { identityFile } = backend;
  t.like(await rustRequests(program, { identityFile }, ROUND), { route: 'identity-file', failures: 0 });
  t.like(await backend.stats(), { requests: 500, probes: 4 });
  await backend.stop();
  t.false(existsSync(identityFile));
});

/** A Node backend behind the real broker, which may hand connections over to it. */
async function startBehindBroker(
  t: ExecutionContext,
): Promise<{ readonly real: RealBroker; readonly backend: NodeBackend }> {
  const real = await RealBroker.start(program, 'accept', 'external');
  t.teardown(() => real.stop());
  const { backend: endpoint, handoff } = real.endpoints;
  const backend = await NodeBackend.start({ endpoint, handoffEndpoint: handoff ?? '' });
  t.teardown(() => backend.stop());
  return { real, backend };
}

for (const [client, asynchronous] of [
  ['broker session', false],
  ['asynchronous broker session (S-43)', true],
] as const)
  interopTest(`the crate's ${client} reaches a Node backend by all three routes`, async (t) => {
    const { real, backend } = await startBehindBroker(t);
    const { endpoint } = backend;
    const broker = real.endpoints;
    const ways: readonly [RustReport['route'], RustWay][] = [
      ['hello-skip', { broker, asynchronous, cached: endpoint }],
      ['broker-negotiated', { broker, asynchronous }],
      ['handle-passed', { broker, asynchronous, adopt: true }],
    ];
    for (const [route, way] of ways) {
      const report = await rustRequests(program, way, ROUND);
      t.like(report, { route, endpoint, n: 500, failures: 0 });
    }
    t.like(await backend.stats(), { requests: 1_500 });
  });

interopTest(
  "the crate's client has its bytes echoed by onConnection of a Node backend, by all three routes",
  async (t) => {
    const { real, backend } = await startBehindBroker(t);
    const { broker, service, version } = real.endpoints;
    for (const route of ['skip', 'negotiated', 'handoff']) {
      const words = [
        'time',
        '--broker',
        broker,
        '--service',
        service,
        '--version',
        version,
        '--route',
        route,
      ];
      const { stdout } = await promisify(execFile)(program, [...words, '--n', '20', '--warmup', '1']);
      const report: object = JSON.parse(stdout);
      t.like(report, { n: 20 });
    }
    const { accepted, adopted, requests } = await backend.stats();
    t.is(requests, 0);
    t.true(accepted >= 40 && adopted >= 20, `${accepted} accepted, ${adopted} adopted`);
  },
);

interopTest(
  'the crate sends 10,000 requests of random sizes, some given up, while the Node backend is killed twice',
  async (t) => {
    await using backend = await NodeBackend.start();
    const { endpoint } = backend;
    const round = { n: 10_000, threads: 8, sizes: '0..65536' };
    const done = rustRequests(program, { endpoint }, round, { retry: true, abandonEvery: 100 });
    for (let kills = 0; kills < 2; kills += 1) {
      while ((await backend.stats()).requests < 2_000);
      await backend.kill();
      await backend.restart();
    }
    const report = await done;
    t.like(report, { n: 10_000, abandoned: 100 });
    t.true(report.failures > 0);
    t.log(`${report.bytes} bytes, ${report.failures} failures: ${report.firstFailure ?? ''}`);
  },
);
