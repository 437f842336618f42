/** The crate's clients against its own backends: what the other tests here lean on. */
import { interopTest, program } from './interop.js';
import { RealBroker } from './real-broker.js';
import { COMMAND_PROTOCOL, RustBackend, rustRequests, type RustReport, type RustWay } from './rust-frames.js';

interopTest("the crate's frame client gets its bytes back from the crate's mux backend", async (t) => {
  await using backend = await RustBackend.startMux(program);
  const { endpoint, identityFile } = backend;
  const round = { n: 500, threads: 4, sizes: '0..65536' };
  t.like(await rustRequests(program, { endpoint }, round), { route: 'endpoint', n: 500, failures: 0 });
  t.is((await backend.stats()).probes, 0);
  t.is((await rustRequests(program, { identityFile }, round)).route, 'identity-file');
  t.like(await backend.stats(), { probes: 4, requests: 1_000, backendOpen: 0 });
});

interopTest("the crate's frame client gets its bytes back from the crate's service server", async (t) => {
  await using backend = await RustBackend.startService(program);
  const { identityFile } = backend;
  const round = { n: 500, threads: 4, sizes: '0..65536' };
  t.like(await rustRequests(program, { identityFile }, round), { n: 500, failures: 0 });
});

interopTest("the crate's broker session reaches the crate's mux backend by all three routes", async (t) => {
  const real = await RealBroker.start(program, 'accept', 'mux');
  const broker = real.endpoints;
  const ways: readonly [RustReport['route'], RustWay][] = [
    ['hello-skip', { broker, cached: broker.backend }],
    ['broker-negotiated', { broker }],
    ['handle-passed', { broker, adopt: true }],
  ];
  for (const [route, way] of ways) {
    const { route: taken, endpoint } = await rustRequests(program, way, { n: 20 });
    t.is(taken, route);
    t.is(endpoint, broker.backend);
  }
  t.is((await real.stats()).requests, 60);
  await real.stop();
});

interopTest("the crate's frame client compares the answers", async (t) => {
  await using backend = await RustBackend.startMux(program);
  const commands = { protocol: COMMAND_PROTOCOL, payload: 'large 1000' };
  const right = await rustRequests(program, backend, { n: 3 }, { ...commands, expectPattern: 1_000 });
  t.is(right.n, 3);
  await t.throwsAsync(rustRequests(program, backend, { n: 1 }, { ...commands, expectPattern: 999 }), {
    message: /answer of 1000 bytes to 999 differs/,
  });
  await t.throwsAsync(
    rustRequests(program, backend, { n: 2 }, { protocol: COMMAND_PROTOCOL, payload: 'twice' }),
    {
      message: /response request_id 1 does not match request 2/,
    },
  );
});

interopTest("the crate's frame client opens its session again after the backend was killed", async (t) => {
  await using backend = await RustBackend.startMux(program);
  const round = rustRequests(
    program,
    backend,
    { n: 40_000, threads: 4 },
    { retry: true, abandonEvery: 1_000 },
  );
  let requests = 0;
  while (requests < 500) ({ requests } = await backend.stats());
  await backend.kill();
  await backend.restart();
  const report = await round;
  t.true(report.failures > 0);
  t.is(report.abandoned, 40);
});
