import { EndpointDoubts, type EndedConnection } from '../../../src/pool/connecting/endpoint-doubts.js';
import type { CloseReason } from '../../../src/pool/close-reason.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import test from '../../helpers/sanitary.js';

function setUp(chance?: () => number) {
  const clock = new FakeClock(chance);
  const forgotten: string[] = [];
  const doubts = new EndpointDoubts(
    clock,
    (endpoint) => forgotten.push(endpoint),
    () => {},
  );
  /** A connection that has just been opened. */
  const open = (facts: Partial<EndedConnection> = {}): EndedConnection => {
    return {
      route: 'hello-skip',
      everReceived: true,
      uses: 1,
      endpoint: '/a',
      bornMs: clock.nowMs,
      ...facts,
    };
  };
  return { clock, doubts, forgotten, open };
}

const ROUTES = ['hello-skip', 'broker-negotiated', 'handle-passed'] as const;

test('an endpoint is forgotten when a connection to it is found invalid, for every route, age and use', (t) => {
  for (const route of ROUTES) {
    const { clock, doubts, forgotten, open } = setUp();
    const connection = open({ route, uses: 100 });
    clock.advance(60_000);
    doubts.onClosed(connection, 'invalid');
    t.deepEqual(forgotten, ['/a'], route);
  }
});

test('an endpoint is forgotten when its backend ends a connection without a word, for every route', (t) => {
  for (const route of ROUTES) {
    for (const reason of ['stale', 'error'] as const) {
      const { clock, doubts, forgotten, open } = setUp();
      const connection = open({ route, everReceived: false });
      clock.advance(60_000);
      doubts.onClosed(connection, reason);
      t.deepEqual(forgotten, ['/a'], `${route} ${reason}`);
    }
  }
});

test('a remembered endpoint is forgotten when its connection ends within a second, even if bytes came', (t) => {
  for (const [route, ageMs, forgets] of [
    ['hello-skip', 999, true],
    ['hello-skip', 1_000, false],
    ['broker-negotiated', 10, false],
  ] as const) {
    const { clock, doubts, forgotten, open } = setUp();
    const connection = open({ route });
    clock.advance(ageMs);
    doubts.onClosed(connection, 'stale');
    t.is(forgotten.length, forgets ? 1 : 0, `${route} after ${ageMs} ms`);
  }
});

test('a close by the pool or a caller, unless as invalid, is no evidence against the endpoint', (t) => {
  const { doubts, forgotten, open } = setUp();
  const reasons: readonly CloseReason[] = [
    'idle',
    'lifetime',
    'uses',
    'dirty',
    'leaked',
    'evicted',
    'destroyed',
    'poolClosed',
  ];
  for (const reason of reasons) doubts.onClosed(open(), reason);
  t.deepEqual(forgotten, []);
});

test('connections that close because their target was cleared say nothing about its endpoint', (t) => {
  const { doubts, forgotten, open } = setUp();
  const connection = open({ everReceived: false });
  doubts.excuse(connection);
  doubts.onClosed(connection, 'stale');
  t.deepEqual(forgotten, []);
});

test('a connection by Hello-skip is from memory, any other is not', (t) => {
  const { doubts, open } = setUp();
  t.deepEqual(
    ROUTES.map((route) => doubts.isFromMemory(open({ route }))),
    [true, false, false],
  );
});

/**
 * How long the endpoint is kept that the broker has just named, in milliseconds: until evidence has it
 * forgotten again.
 */
function keptForMs({ clock, doubts, forgotten, open }: ReturnType<typeof setUp>): number {
  const fromMs = clock.nowMs;
  const before = forgotten.length;
  for (;;) {
    doubts.onClosed(open(), 'invalid');
    if (forgotten.length > before) return clock.nowMs - fromMs;
    clock.advance(1);
  }
}

test('an endpoint that the broker names again is kept in spite of evidence, each time twice as long, up to five seconds', (t) => {
  const world = setUp();
  t.is(keptForMs(world), 0, 'the broker has not been asked yet');
  const spans: number[] = [];
  for (let round = 0; round < 8; round++) {
    world.doubts.onNamed('/a');
    t.false(world.doubts.isFromMemory(world.open()), 'as good as negotiated');
    spans.push(keptForMs(world));
    t.true(world.doubts.isFromMemory(world.open()));
  }
  t.deepEqual(spans, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
});

test('chance makes a span shorter by a half at most', (t) => {
  const world = setUp(() => 0.999);
  keptForMs(world);
  world.doubts.onNamed('/a');
  t.is(keptForMs(world), 51);
});

test('answers of Hellos that ran at once lengthen a span once', (t) => {
  const world = setUp();
  keptForMs(world);
  for (let answers = 0; answers < 5; answers++) world.doubts.onNamed('/a');
  t.is(keptForMs(world), 100);
});

test('evidence that comes more than five seconds after the last begins with the shortest span again', (t) => {
  for (const [laterMs, spanMs] of [
    [5_000, 3_200],
    [5_001, 100],
  ] as const) {
    const world = setUp();
    keptForMs(world);
    for (let round = 0; round < 5; round++) {
      world.doubts.onNamed('/a');
      keptForMs(world);
    }
    world.clock.advance(laterMs);
    world.doubts.onNamed('/a');
    t.is(keptForMs(world), spanMs);
  }
});

test('a broker that names another endpoint no longer insists, and begins with the shortest span again', (t) => {
  const world = setUp();
  keptForMs(world);
  for (let round = 0; round < 3; round++) {
    world.doubts.onNamed('/a');
    keptForMs(world);
  }
  world.doubts.onNamed('/b');
  t.is(keptForMs(world), 0, 'the first endpoint is doubted at once');
  world.doubts.onNamed('/a');
  t.is(keptForMs(world), 100);
});

test('a broker that names another endpoint is believed, and evidence against that one counts at once', (t) => {
  const world = setUp();
  const { doubts, forgotten, open } = world;
  keptForMs(world);
  doubts.onNamed('/a');
  doubts.onNamed('/b');
  doubts.onClosed(open({ endpoint: '/b' }), 'invalid');
  t.deepEqual(forgotten, ['/a', '/b']);
});

test('connects that no caller waits for pause from the second connection that ends soon, until one lasts', (t) => {
  const { clock, doubts, open } = setUp();
  doubts.onClosed(open({ uses: 0 }), 'stale');
  t.false(doubts.forbidsSpare);
  const spans: number[] = [];
  for (let round = 0; round < 7; round++) {
    doubts.onClosed(open({ uses: 0 }), round % 2 === 0 ? 'stale' : 'dirty');
    const fromMs = clock.nowMs;
    while (doubts.forbidsSpare) clock.advance(1);
    spans.push(clock.nowMs - fromMs);
  }
  t.deepEqual(spans, [100, 200, 400, 800, 1_600, 3_200, 5_000]);
  const lasting = open({ uses: 0 });
  clock.advance(5_000);
  doubts.onClosed(lasting, 'stale');
  doubts.onClosed(open({ uses: 0 }), 'stale');
  t.false(doubts.forbidsSpare, 'counted from the first again');
});

test('a connection that a caller has made dirty, or has closed, does not put off spare connects', (t) => {
  const { doubts, open } = setUp();
  for (let times = 0; times < 5; times++) {
    doubts.onClosed(open(), 'dirty');
    doubts.onClosed(open(), 'destroyed');
  }
  t.false(doubts.forbidsSpare);
});

test('a reset forgets evidence and pauses', (t) => {
  const world = setUp();
  const { doubts, open } = world;
  keptForMs(world);
  doubts.onNamed('/a');
  doubts.onClosed(open({ uses: 0 }), 'stale');
  t.true(doubts.forbidsSpare);
  doubts.reset();
  t.false(doubts.forbidsSpare);
  t.true(doubts.isFromMemory(open()));
});
