import { getEventListeners } from 'node:events';
import { BrokerPoolError } from '../../src/errors.js';
import { WarmUps } from '../../src/pool/warm-ups.js';
import { FakeClock } from '../helpers/fake-clock.js';
import test from '../helpers/sanitary.js';

const timeUp = (): BrokerPoolError =>
  new BrokerPoolError('TIMEOUT', 'not warm in time', { phase: 'connect' });

test('all waits end together, resolved or rejected', async (t) => {
  const clock = new FakeClock();
  const warmUps = new WarmUps(clock);
  const waits = [warmUps.wait(100, undefined, timeUp), warmUps.wait(200, undefined, timeUp)];
  warmUps.endAll();
  t.deepEqual(await Promise.all(waits), [undefined, undefined]);
  const error = new BrokerPoolError('BROKER_CONNECT', 'down');
  const failing = [warmUps.wait(100, undefined, timeUp), warmUps.wait(100, undefined, timeUp)];
  warmUps.endAll(error);
  for (const wait of failing) t.is(await t.throwsAsync(wait), error);
  t.is(clock.pending, 0);
});

test('a wait ends with its own time, and the others go on', async (t) => {
  const clock = new FakeClock();
  const warmUps = new WarmUps(clock);
  const short = warmUps.wait(100, undefined, timeUp);
  const long = warmUps.wait(200, undefined, timeUp);
  clock.advance(100);
  await t.throwsAsync(short, { code: 'TIMEOUT' });
  warmUps.endAll();
  await t.notThrowsAsync(long);
  t.is(clock.pending, 0);
});

test('a wait can be aborted', async (t) => {
  const clock = new FakeClock();
  const abort = new AbortController();
  const wait = new WarmUps(clock).wait(100, abort.signal, timeUp);
  abort.abort(new Error('changed my mind'));
  t.like((await t.throwsAsync(wait, { code: 'ABORTED' }))?.cause, { message: 'changed my mind' });
  t.is(clock.pending, 0);
});

test('a wait keeps the process alive until it ends', async (t) => {
  const clock = new FakeClock();
  const warmUps = new WarmUps(clock);
  const wait = warmUps.wait(100, undefined, timeUp);
  t.true(clock.keepsAlive);
  warmUps.endAll();
  await wait;
  t.false(clock.keepsAlive);
});

test('a wait for warm connections that has ended leaves no listener on its signal', async (t) => {
  const clock = new FakeClock();
  const { signal } = new AbortController();
  const warmUps = new WarmUps(clock);
  const wait = warmUps.wait(100, signal, timeUp);
  t.is(getEventListeners(signal, 'abort').length, 1);
  warmUps.endAll();
  await wait;
  t.is(getEventListeners(signal, 'abort').length, 0);
});
