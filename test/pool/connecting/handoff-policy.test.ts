import { HandoffPolicy, type HandoffResult } from '../../../src/pool/connecting/handoff-policy.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import test from '../../helpers/sanitary.js';

const adopted = (durationMs: number): HandoffResult => ({
  waited: true,
  offered: true,
  adopted: true,
  durationMs,
});
const downgraded = (durationMs = 2_000): HandoffResult => ({
  waited: true,
  offered: true,
  adopted: false,
  durationMs,
});
const reconnected = (durationMs: number): HandoffResult => ({
  waited: false,
  offered: true,
  adopted: false,
  durationMs,
});

function times(count: number, action: () => void): void {
  for (let time = 0; time < count; time++) action();
}

test('true always waits', (t) => {
  const policy = new HandoffPolicy(true, new FakeClock());
  times(10, () => policy.learn(adopted(100)));
  times(10, () => policy.learn(reconnected(1)));
  t.true(policy.shouldWait(), 'however slow it is');
});

test('after three downgrades in a row no negotiation waits for half a minute, and then one tries', (t) => {
  const clock = new FakeClock();
  const policy = new HandoffPolicy(true, clock);
  times(2, () => policy.learn(downgraded()));
  t.true(policy.shouldWait());
  policy.learn(downgraded());
  t.false(policy.shouldWait());
  clock.advance(29_999);
  t.false(policy.shouldWait());
  clock.advance(1);
  t.true(policy.shouldWait());
  t.false(policy.shouldWait(), 'the others do not wait with it');
});

test('each try that fails doubles the time to the next, up to ten minutes', (t) => {
  const clock = new FakeClock();
  const policy = new HandoffPolicy(true, clock);
  times(3, () => policy.learn(downgraded()));
  const spans: number[] = [];
  times(7, () => {
    const fromMs = clock.nowMs;
    while (!policy.shouldWait()) clock.advance(1_000);
    spans.push((clock.nowMs - fromMs) / 1_000);
    policy.learn(downgraded());
  });
  t.deepEqual(spans, [30, 60, 120, 240, 480, 600, 600]);
});

test('a handoff that works closes the breaker, and the next failures count from the first', (t) => {
  const clock = new FakeClock();
  const policy = new HandoffPolicy(true, clock);
  times(3, () => policy.learn(downgraded()));
  clock.advance(30_000);
  t.true(policy.shouldWait());
  policy.learn(adopted(5));
  times(2, () => policy.learn(downgraded()));
  t.true(policy.shouldWait());
  policy.learn(downgraded());
  clock.advance(29_999);
  t.false(policy.shouldWait());
  clock.advance(1);
  t.true(policy.shouldWait(), 'half a minute again');
});

test('downgrades between handoffs that work do not open the breaker', (t) => {
  const policy = new HandoffPolicy(true, new FakeClock());
  times(10, () => {
    times(2, () => policy.learn(downgraded()));
    policy.learn(adopted(5));
  });
  t.true(policy.shouldWait());
});

test('after three connections whose backend never spoke no negotiation waits for half a minute (C-48)', (t) => {
  const clock = new FakeClock();
  const policy = new HandoffPolicy(true, clock);
  times(2, () => policy.onClosed(false, true));
  times(5, () => policy.onClosed(false, false));
  t.true(policy.shouldWait(), 'one that its caller closes tells nothing');
  policy.onClosed(false, true);
  t.false(policy.shouldWait());
  clock.advance(29_999);
  t.false(policy.shouldWait());
  clock.advance(1);
  t.true(policy.shouldWait());
  policy.onClosed(false, true);
  clock.advance(59_999);
  t.false(policy.shouldWait(), 'the next pause is twice as long');
  clock.advance(1);
  t.true(policy.shouldWait());
});

test('a connection whose backend spoke closes the breaker (C-48)', (t) => {
  const clock = new FakeClock();
  const policy = new HandoffPolicy(true, clock);
  times(4, () => policy.onClosed(false, true));
  t.false(policy.shouldWait());
  policy.onClosed(true, true);
  t.true(policy.shouldWait());
  times(3, () => policy.onClosed(false, true));
  clock.advance(30_000);
  t.true(policy.shouldWait(), 'the pauses begin with the shortest');
});

test('a broker that offers nothing is no downgrade', (t) => {
  const policy = new HandoffPolicy(true, new FakeClock());
  times(10, () => policy.learn({ waited: true, offered: false, adopted: false, durationMs: 1 }));
  t.true(policy.shouldWait());
});

test('auto tries each route three times and takes the faster one, and of equals the one without a wait', (t) => {
  for (const [adoptMs, reconnectMs, waits] of [
    [1, 5, true],
    [5, 1, false],
    [3, 3, false],
  ] as const) {
    const policy = new HandoffPolicy('auto', new FakeClock());
    const tries: boolean[] = [];
    times(6, () => {
      const wait = policy.shouldWait();
      tries.push(wait);
      policy.learn(wait ? adopted(adoptMs) : reconnected(reconnectMs));
    });
    t.deepEqual(tries, [true, true, true, false, false, false]);
    times(20, () => t.is(policy.shouldWait(), waits));
  }
});

test('auto gives the slower route another chance once a minute, and changes its mind', (t) => {
  const clock = new FakeClock();
  const policy = new HandoffPolicy('auto', clock);
  times(3, () => policy.learn(adopted(5)));
  times(3, () => policy.learn(reconnected(1)));
  t.false(policy.shouldWait());
  clock.advance(60_000);
  t.true(policy.shouldWait(), 'one looks again');
  t.false(policy.shouldWait(), 'the others go on');
  policy.learn(adopted(0.1));
  // The newest of many counts a fifth: one good sample does not turn the tide.
  t.false(policy.shouldWait());
  times(30, () => policy.learn(adopted(0.1)));
  t.true(policy.shouldWait());
});

test('each chance that the slower route does not use doubles the time to its next, up to ten minutes', (t) => {
  const clock = new FakeClock();
  const policy = new HandoffPolicy('auto', clock);
  times(3, () => policy.learn(adopted(5)));
  times(3, () => policy.learn(reconnected(1)));
  t.false(policy.shouldWait());
  const spans: number[] = [];
  times(6, () => {
    const fromMs = clock.nowMs;
    while (!policy.shouldWait()) clock.advance(1_000);
    spans.push((clock.nowMs - fromMs) / 1_000);
    policy.learn(adopted(5));
  });
  t.deepEqual(spans, [60, 120, 240, 480, 600, 600]);
});

test('after a change of mind the slower route gets its chance after a minute again', (t) => {
  const clock = new FakeClock();
  const policy = new HandoffPolicy('auto', clock);
  times(3, () => policy.learn(adopted(5)));
  times(3, () => policy.learn(reconnected(1)));
  t.false(policy.shouldWait());
  clock.advance(60_000);
  t.true(policy.shouldWait());
  times(30, () => policy.learn(adopted(0.1)));
  t.true(policy.shouldWait(), 'adopting is faster now');
  clock.advance(59_999);
  t.true(policy.shouldWait());
  clock.advance(1);
  t.false(policy.shouldWait(), 'the other one looks again');
});

test('for auto a downgrade counts with all that it cost', (t) => {
  const policy = new HandoffPolicy('auto', new FakeClock());
  policy.learn(downgraded());
  policy.learn(adopted(0.1));
  policy.learn(adopted(0.1));
  times(3, () => policy.learn(reconnected(5)));
  t.false(policy.shouldWait());
});

test('for auto the first duration of a route counts in full, however many the other route has', (t) => {
  const policy = new HandoffPolicy('auto', new FakeClock());
  times(3, () => policy.learn(adopted(5)));
  times(30, () => policy.learn(reconnected(3)));
  t.false(policy.shouldWait());
});
