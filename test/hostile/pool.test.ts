import type { Socket } from 'node:net';
import { inspect } from 'node:util';
import type { ExecutionContext } from 'ava';
import {
  BrokerPool,
  BrokerPoolError,
  type BrokerPoolOptions,
  type ConnectionClosedEvent,
  type ErrorCode,
} from '../../src/index.js';
import { MAX_FRAME_BYTES } from '../../src/wire/frame.js';
import { endpointIn } from '../helpers/endpoints.js';
import { bytesInUse } from '../helpers/heap.js';
import { until } from '../helpers/leftovers.js';
import { scaled } from '../helpers/patience.js';
import test from '../helpers/sanitary.js';
import { startSystem } from '../helpers/system.js';
import { closed, echo, read, SERVICE, VERSION } from '../helpers/talk.js';
import { onWindows } from '../helpers/test-where.js';
import { heard, keep, reset, say, trickle, type Conduct, type HostilePeer } from './hostile-peer.js';
import { TOKEN } from './message-tree.js';
import { hostilePeer } from './peer-kit.js';
import { frame } from './streams.js';
import { header, negotiatedWire, NO_RESULT_WIRE, OTHER_TOKEN, readyWire, refusedWire } from './wires.js';

/** Deadlines that are meant to pass. */
const SHORT_MS = scaled(100);

function openPool(t: ExecutionContext, broker: HostilePeer, options: BrokerPoolOptions = {}): BrokerPool {
  const pool = new BrokerPool({
    brokerEndpoint: broker.endpoint,
    serviceName: SERVICE,
    wantedVersion: VERSION,
    ...options,
  });
  t.teardown(() => pool.destroy());
  return pool;
}

async function errorOf(promise: Promise<unknown>): Promise<BrokerPoolError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof BrokerPoolError) return error;
  throw new Error(`no BrokerPoolError: ${String(error)}`);
}

/** A broker that answers each Hello with these bytes and ends the connection. */
function saying(...wires: readonly Uint8Array[]): Conduct {
  return async (socket) => {
    await heard(socket);
    await say(socket, Buffer.concat(wires));
    socket.end();
  };
}

/** Hostile answers to a Hello, and the error that callers then get. */
const LIES: readonly (readonly [title: string, conduct: Conduct, code: ErrorCode])[] = [
  ['ends without a word', saying(), 'UNEXPECTED_EOF'],
  ['resets', reset, 'UNEXPECTED_EOF'],
  ['ends in the middle of a reply', saying(negotiatedWire('/x').subarray(0, 30)), 'UNEXPECTED_EOF'],
  ['answers in another framing', saying(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')), 'FRAMING_VERSION'],
  ['announces more than a frame may have', saying(header(MAX_FRAME_BYTES + 1)), 'FRAME_TOO_LARGE'],
  ['announces 4 GiB', saying(header(0xffff_ffff)), 'FRAME_TOO_LARGE'],
  ['sends a frame of noise', saying(frame(Buffer.alloc(64, 0xff))), 'DECODE_FRAME'],
  ['sends an empty frame', saying(frame(new Uint8Array(0))), 'UNEXPECTED_RESPONSE_FRAME'],
  ['sends an event instead of a reply', saying(readyWire()), 'UNEXPECTED_RESPONSE_FRAME'],
  ['answers neither yes nor no', saying(NO_RESULT_WIRE), 'MISSING_HELLO_REPLY_RESULT'],
  ['names no backend', saying(negotiatedWire('')), 'EMPTY_BACKEND_PIPE'],
  [
    'names a backend that is not there',
    saying(negotiatedWire(endpointIn('/nowhere/at', 'all'))),
    'BACKEND_CONNECT',
  ],
  [
    'names a backend whose path is far too long',
    saying(negotiatedWire(`/${'x'.repeat(100_000)}`)),
    'BACKEND_CONNECT',
  ],
  ['names a backend by a relative path', saying(negotiatedWire('backend.sock')), 'BACKEND_CONNECT'],
  [
    'names a backend with a NUL in its path',
    saying(negotiatedWire('/nowhere/at\0all.sock')),
    'BACKEND_CONNECT',
  ],
  ['refuses with an unknown code', saying(refusedWire(99n)), 'REFUSED'],
];

for (const [title, conduct, code] of LIES) {
  test.serial(
    `a broker that ${title}: every caller gets ${code}, and a connection as soon as the broker behaves (G-01, G-04, G-13)`,
    async (t) => {
      const { backend } = await startSystem(t);
      const broker = await hostilePeer(t, conduct);
      const pool = openPool(t, broker, { max: 4 });
      for (const error of await Promise.all(
        Array.from({ length: 8 }, () => errorOf(pool.acquire({ timeoutMs: 20_000 }))),
      ))
        t.is(error.code, code);
      t.like(pool.stats(), { total: 0, connecting: 0, waiting: 0 });
      broker.conduct = saying(negotiatedWire(backend.endpoint));
      await pool.use(async ({ socket }) => t.is(await echo(socket, 'at last'), 'at last'));
    },
  );
}

/** No platform has an endpoint of that name. */
const UNDIALLED = 'back\0end';

test.serial(
  'a handed-over connection is leased even if its backend cannot be dialled, and each connect asks the broker (C-17)',
  async (t) => {
    const broker = await hostilePeer(t, async (socket) => {
      await heard(socket);
      await say(socket, Buffer.concat([negotiatedWire(UNDIALLED), readyWire()]));
      keep(socket);
    });
    const pool = openPool(t, broker, { adoptHandedOffConnection: true });
    for (const accepted of [1, 2]) {
      const lease = await pool.acquire();
      t.like(lease, { route: 'handle-passed', endpoint: '' });
      t.is(lease.negotiated?.backendPipe, UNDIALLED);
      lease.destroy();
      t.is(broker.accepted, accepted, 'the broker is asked each time');
    }
  },
);

const STALLS: readonly (readonly [title: string, conduct: Conduct])[] = [
  ['says nothing', keep],
  [
    'stops in the middle of its reply',
    async (socket) => {
      await say(socket, negotiatedWire('/x').subarray(0, 30));
      keep(socket);
    },
  ],
  [
    'announces a body and sends none',
    async (socket) => {
      await say(socket, header(100));
      keep(socket);
    },
  ],
  [
    'trickles for ever',
    async (socket) => {
      await say(socket, header(MAX_FRAME_BYTES));
      await trickle(socket, Uint8Array.of(0));
    },
  ],
];

for (const [title, conduct] of STALLS) {
  test.serial(
    `a broker that ${title}: each caller gets TIMEOUT at its own deadline or at the pool's for the Hello (G-01, G-02)`,
    async (t) => {
      const broker = await hostilePeer(t, conduct);
      const patient = openPool(t, broker);
      const error = await errorOf(patient.acquire({ timeoutMs: SHORT_MS }));
      t.like(error, { code: 'TIMEOUT', phase: 'hello' });
      t.is(patient.stats().connecting, 1, "the connect is the pool's and goes on");
      const hasty = openPool(t, broker, { roundTripTimeoutMs: SHORT_MS });
      t.like(await errorOf(hasty.acquire()), { code: 'TIMEOUT', phase: 'hello' });
      t.is(hasty.stats().connecting, 0);
    },
  );
}

test.serial(
  'a pool that adopts reconnects after every false ready event, and prints the token nowhere (G-05, C-45)',
  async (t) => {
    const { backend } = await startSystem(t);
    const seen: unknown[] = [];
    for (const event of [
      readyWire(OTHER_TOKEN),
      readyWire(TOKEN.subarray(1)),
      readyWire(TOKEN, 0n),
      header(MAX_FRAME_BYTES + 1),
      frame(Buffer.alloc(9, 0xff)),
      new Uint8Array(0),
    ]) {
      const broker = await hostilePeer(t, saying(negotiatedWire(backend.endpoint), event));
      const pool = openPool(t, broker, { adoptHandedOffConnection: true });
      for (const name of [
        'connectionCreated',
        'connectionReady',
        'connectionClosed',
        'acquired',
        'released',
      ] as const)
        pool.on(name, (told: unknown) => seen.push(told));
      await pool.use(async (lease) => {
        t.is(lease.route, 'broker-negotiated');
        t.is(await echo(lease.socket, 'hello'), 'hello');
        seen.push(inspect(lease), lease.negotiated, pool.stats());
      });
      broker.conduct = saying(negotiatedWire('', TOKEN), event);
      pool.clear();
      seen.push(inspect(await errorOf(pool.acquire()), { depth: 9, showHidden: true }));
    }
    assertNoToken(t, seen);
  },
);

/** Checks all forms in which a token could be printed. */
function assertNoToken(t: ExecutionContext, seen: unknown): void {
  const printed = inspect(seen, { depth: 9, maxArrayLength: Infinity, maxStringLength: Infinity });
  const token = Buffer.from(TOKEN);
  for (const form of [
    token.toString('hex'),
    token.toString('base64'),
    token.join(','),
    token.join(', '),
    inspect(token),
  ])
    t.false(printed.includes(form));
}

test.serial(
  'a caller first reads the bytes that the backend sent after the ready event (G-06, C-47)',
  async (t) => {
    const { backend } = await startSystem(t);
    const broker = await hostilePeer(t, async (socket) => {
      await heard(socket);
      await say(
        socket,
        Buffer.concat([negotiatedWire(backend.endpoint), readyWire(), Buffer.from('welcome')]),
      );
      socket.once('end', () => socket.end());
    });
    const pool = openPool(t, broker, { adoptHandedOffConnection: true });
    const lease = await pool.acquire();
    t.is(lease.route, 'handle-passed');
    t.is(await read(lease.socket, 7), 'welcome');
    lease.release();
  },
);

/** A pool with an honest broker and a hostile backend. */
async function withBackend(t: ExecutionContext, conduct: Conduct, options: BrokerPoolOptions = {}) {
  const backend = await hostilePeer(t, conduct);
  const broker = await hostilePeer(t, saying(negotiatedWire(backend.endpoint)));
  return { backend, pool: openPool(t, broker, options) };
}

/** Settles with the next 'connectionClosed' of a pool, or when a socket is closed, however that came. */
function closing(pool: BrokerPool): Promise<ConnectionClosedEvent>;
function closing(socket: Socket): Promise<unknown>;
function closing(source: BrokerPool | Socket): Promise<unknown> {
  return new Promise((resolve) => {
    if (source instanceof BrokerPool) source.once('connectionClosed', resolve);
    else if (source.closed) resolve(undefined);
    else source.once('close', resolve);
  });
}

test.serial(
  'no caller gets the same dead connection twice from a backend that ends or resets at once (G-13, G-18)',
  async (t) => {
    for (const conduct of [
      (socket) => void socket.destroy(),
      // A pipe ends as a whole, and not before its last bytes are read.
      ...(onWindows ? [] : [(socket: Socket) => void socket.end()]),
      reset,
    ] satisfies Conduct[]) {
      const { backend, pool } = await withBackend(t, conduct);
      const ids = new Set<number>();
      for (let time = 0; time < 5; time++) {
        const lease = await pool.acquire();
        ids.add(lease.connectionId);
        const { socket } = lease;
        socket.on('error', () => {}).write('question');
        socket.resume();
        await closing(socket);
        lease.release();
      }
      t.is(ids.size, 5);
      t.is(pool.stats().total, 0);
      t.true(backend.accepted >= 5);
    }
  },
);

test.serial(
  'an idle connection on which a backend sends a flood is closed as dirty, and its memory is freed (G-18)',
  async (t) => {
    const { backend, pool } = await withBackend(t, keep);
    let flood = (): Promise<void> => Promise.resolve();
    backend.conduct = (socket) => {
      keep(socket);
      flood = () => trickle(socket, Buffer.alloc(1024 * 1024));
    };
    (await pool.acquire()).release();
    // A connect is through before the backend has accepted it.
    t.true(await until(() => backend.accepted === 1));
    const before = bytesInUse();
    await Promise.all([flood(), closing(pool).then(({ reason }) => t.is(reason, 'dirty'))]);
    t.is(pool.stats().total, 0);
    t.true(await until(() => bytesInUse() - before < 4 * 1024 * 1024), 'the flood is not kept');
  },
);

test.serial('an idle connection that its backend half closes is closed as stale (G-18)', async (t) => {
  const { backend, pool } = await withBackend(t, keep);
  backend.conduct = (socket) => {
    keep(socket);
    socket.once('data', () => socket.end());
  };
  const lease = await pool.acquire();
  const gone = closing(pool);
  lease.socket.write('x');
  lease.release();
  t.is((await gone).reason, 'stale');
  t.is(pool.stats().total, 0);
});

test.serial(
  'a connection with unsent bytes of the last caller is closed as dirty, not leased again (G-18)',
  async (t) => {
    const { pool } = await withBackend(t, () => {});
    const lease = await pool.acquire();
    lease.socket.write(Buffer.alloc(4 * 1024 * 1024));
    const { connectionId } = lease;
    lease.release();
    t.is(pool.stats().closedByReason.dirty, 1);
    const next = await pool.acquire();
    t.not(next.connectionId, connectionId);
    next.release();
  },
);

test.serial(
  'destroy during every lie and stall fails all callers, and leaves nothing open (G-07, G-16, G-17)',
  async (t) => {
    for (const conduct of [...LIES.map(([, lie]) => lie), ...STALLS.map(([, stall]) => stall)]) {
      const broker = await hostilePeer(t, conduct);
      const pool = openPool(t, broker, {
        maxConnecting: 4,
        endpointCache: false,
        adoptHandedOffConnection: true,
      });
      const outcomes = Array.from({ length: 4 }, () => errorOf(pool.acquire()));
      t.true(await until(() => broker.accepted > 0));
      await pool.destroy();
      for (const error of await Promise.all(outcomes)) t.truthy(error.code);
      await broker.close();
    }
  },
);

test.serial('a hostile broker does not disturb the callers of another target (G-13)', async (t) => {
  const system = await startSystem(t);
  const broker = await hostilePeer(t, async (socket) => {
    await say(socket, header(MAX_FRAME_BYTES));
    await trickle(socket, Buffer.alloc(64 * 1024, 0xff));
  });
  // 16 MiB beside other callers take a busy machine more than the default.
  const bad = openPool(t, broker, { roundTripTimeoutMs: 120_000, acquireTimeoutMs: 120_000 });
  const good = new BrokerPool({ ...system.target, endpointCache: false, max: 2 });
  const outcome = errorOf(bad.acquire());
  for (let time = 0; time < 20; time++) {
    const lease = await good.acquire();
    t.is(await echo(lease.socket, 'fine'), 'fine');
    const { socket } = lease;
    lease.destroy();
    await closed(socket);
  }
  t.is((await outcome).code, 'DECODE_FRAME');
  await good.close();
});
