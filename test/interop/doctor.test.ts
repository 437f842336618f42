import { chmodSync } from 'node:fs';
import { once } from 'node:events';
import { run, start } from '../cli/run.js';
import { interopTest, program } from './interop.js';
import { RealBroker } from './real-broker.js';

interopTest('doctor finds the real broker, negotiates, and does it no harm (A-29, V-31)', async (t) => {
  const real = await RealBroker.start(program, 'accept');
  const { broker, service, version } = real.endpoints;
  chmodSync(real.directory, 0o700);
  for (let count = 0; count < 5; count += 1) {
    const { stdout } = await run(
      'doctor',
      service,
      version,
      '--broker',
      broker,
      '--service-def-dir',
      real.directory,
    );
    t.regex(stdout, /^ok {7}broker: answers: instance /m);
    t.regex(stdout, new RegExp(`^ok {7}${service} ${version}: is negotiated: `, 'm'));
  }
  const { restarts, handoffs } = await real.stats();
  t.deepEqual({ restarts, handoffs }, { restarts: 0, handoffs: 0 });
  await real.stop();
});

interopTest(
  'doctor waits for the reply of a real broker that is stopped, and does it no harm (V-31)',
  async (t) => {
    const real = await RealBroker.start(program);
    real.pause();
    const { stderr, ended } = start(['doctor', '--broker', real.endpoints.broker, '--timeout', '200']);
    // Where it ends without a word, its findings say why.
    const said = await Promise.race([once(stderr, 'data'), ended]);
    t.regex(
      Array.isArray(said) ? String(said[0]) : said.stdout,
      /waiting for the reply that the broker owes/,
    );
    real.resume();
    const { exitCode, stdout } = await ended;
    t.is(exitCode, 1);
    t.regex(stdout, /^failure {2}broker: does not answer within 200 ms/m);
    t.is((await real.stats()).restarts, 0);
    await real.stop();
  },
);
