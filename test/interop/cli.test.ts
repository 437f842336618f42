import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { runIn, start } from '../cli/run.js';
import { interopTest, program } from './interop.js';
import { RealBroker } from './real-broker.js';

async function startBroker(t: ExecutionContext, backend: 'echo' | 'mux' = 'echo') {
  const real = await RealBroker.start(program, 'accept', backend);
  t.teardown(() => real.stop());
  const { broker, service, version } = real.endpoints;
  return { real, words: [service, version, '--broker', broker] };
}

interopTest('connect reaches a backend of the real broker, by both routes', async (t) => {
  const { real, words } = await startBroker(t);
  t.like(await runIn({ stdin: 'hello' }, 'connect', ...words), { exitCode: 0, stdout: 'hello' });
  const adopted = await runIn({ stdin: 'hello' }, 'connect', ...words, '--adopt');
  t.like(adopted, { exitCode: 0, stdout: 'hello' });
  t.true(adopted.stderr.startsWith('connected by handle-passed '), adopted.stderr);
  t.is((await real.stats()).restarts, 0);
});

interopTest('request gets the answer of a backend on the crate', async (t) => {
  const { words } = await startBroker(t, 'mux');
  const result = await runIn({ stdin: 'hello' }, 'request', ...words, '--payload-protocol', '0x7a63');
  t.like(result, { exitCode: 0, stdout: 'hello' });
});

interopTest('bench does not end the accept loop of the real broker, interrupted or not', async (t) => {
  const { real, words } = await startBroker(t);
  t.like(await runIn({}, 'bench', ...words, '--hellos', '10', '--count', '10'), { exitCode: 0, stderr: '' });
  t.is((await real.stats()).hellos, 12);
  for (let run = 0; run < 5; run += 1) {
    const controller = new AbortController();
    const bench = start(['bench', ...words, '--hellos', '10000', '--time', '60000'], {
      signal: controller.signal,
    });
    const before = (await real.stats()).hellos;
    while ((await real.stats()).hellos < before + 20) await delay(1);
    controller.abort();
    t.is((await bench.ended).exitCode, 1);
  }
  t.is((await real.stats()).restarts, 0);
});
