import { BrokerPoolError, type RefusalKind } from '../../../src/errors.js';
import { REFUSAL_CACHE_MS, RefusalCache } from '../../../src/pool/connecting/refusal-cache.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import test from '../../helpers/sanitary.js';

function refusal(refusalKind: RefusalKind): BrokerPoolError {
  return new BrokerPoolError('REFUSED', 'broker refused: no', {
    endpoint: '/broker',
    refusalKind,
    refusalCode: 2,
    retryAfterMs: 0,
  });
}

for (const kind of ['serviceUnknown', 'versionBlocked', 'versionUnsupported'] as const) {
  test(`${kind} forbids the target for a second`, (t) => {
    const clock = new FakeClock();
    const memory = new RefusalCache(clock, () => {});
    const error = refusal(kind);
    t.true(memory.consider(error));
    clock.advance(400);
    t.like(memory.current(), {
      code: 'REFUSED',
      refusalKind: kind,
      refusalCode: 2,
      endpoint: '/broker',
      cause: error,
    });
    t.is(memory.current()?.message, 'broker refused: no; not asked again for another 600 ms');
    clock.advance(REFUSAL_CACHE_MS - 401);
    t.truthy(memory.current());
    clock.advance(1);
    t.is(memory.current(), undefined);
  });
}

for (const kind of ['rateLimited', 'shuttingDown', 'other'] as const) {
  test(`${kind} may pass at any moment, and is not remembered`, (t) => {
    const memory = new RefusalCache(new FakeClock(), () => {});
    t.false(memory.consider(refusal(kind)));
    t.is(memory.current(), undefined);
  });
}

test('other errors are not remembered', (t) => {
  const memory = new RefusalCache(new FakeClock(), () => {});
  t.false(memory.consider(new BrokerPoolError('BROKER_CONNECT', 'down')));
  t.is(memory.current(), undefined);
});

test('a refusal can be forgotten, and a later one counts anew', (t) => {
  const clock = new FakeClock();
  const memory = new RefusalCache(clock, () => {});
  memory.consider(refusal('serviceUnknown'));
  memory.forget();
  t.is(memory.current(), undefined);
  clock.advance(900);
  memory.consider(refusal('versionBlocked'));
  clock.advance(900);
  t.is(memory.current()?.refusalKind, 'versionBlocked');
});

test('each caller gets an error of its own, with its own stack', (t) => {
  const memory = new RefusalCache(new FakeClock(), () => {});
  memory.consider(refusal('serviceUnknown'));
  t.not(memory.current(), memory.current());
});

test('a final refusal forbids spare connects for 30 to 45 s, by chance', (t) => {
  for (const [chance, pauseMs] of [
    [0, 30_000],
    [0.5, 37_500],
    [0.999_999, 45_000],
  ] as const) {
    const clock = new FakeClock(() => chance);
    let over = 0;
    const memory = new RefusalCache(clock, () => (over += 1));
    memory.consider(refusal('serviceUnknown'));
    clock.advance(pauseMs - 1);
    t.deepEqual([memory.forbidsSpare, over], [true, 0]);
    clock.advance(1);
    t.deepEqual([memory.forbidsSpare, over], [false, 1]);
  }
});

test('a refusal that comes meanwhile begins that time anew, and forgetting ends it', (t) => {
  const clock = new FakeClock();
  const memory = new RefusalCache(clock, () => {});
  memory.consider(refusal('serviceUnknown'));
  clock.advance(20_000);
  memory.consider(refusal('serviceUnknown'));
  clock.advance(29_999);
  t.true(memory.forbidsSpare);
  t.is(clock.pending, 1);
  memory.forget();
  t.false(memory.forbidsSpare);
  t.is(clock.pending, 0);
});
