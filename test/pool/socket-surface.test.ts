import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import {
  BrokerPool,
  connectSharedPool,
  type ConnectionToValidate,
  type Lease,
  type SharedPool,
} from '../../src/index.js';
import test from '../helpers/sanitary.js';
import { startSystem } from '../helpers/system.js';
import { SHARING, testWhere } from '../helpers/test-where.js';
import { canShare } from '../sharing/kit.js';
import { isMethod, MORE_USES, surface, USES, type Use } from './socket-uses.js';

/** What a caller may put in place of what a name stands for. */
const VALUES: readonly unknown[] = [
  undefined,
  null,
  false,
  true,
  0,
  1,
  '',
  'utf16le',
  {},
  () => {},
  'destroyed',
];

/** Every use of every name of the running Node, with a title for each. */
function allUses(t: ExecutionContext): Map<string, Use> {
  const uses = new Map(Object.entries(MORE_USES));
  for (const [name, key] of surface()) {
    const use = USES[name];
    if (use !== undefined) uses.set(`${name}()`, use);
    else if (isMethod(key))
      t.fail(`Node ${process.version} has a method ${name}: add a use of it to socket-uses.ts`);
    uses.set(`reading ${name}`, (socket) => Reflect.get(socket, key));
    for (const value of VALUES)
      uses.set(`${name} = ${String(value)} (${typeof value})`, (socket) => Reflect.set(socket, key, value));
  }
  return uses;
}

/**
 * Uses a socket as often as its lease goes on, and afterwards. What goes wrong is the caller's own concern.
 */
async function attempt(use: Use, socket: Socket, isLate: boolean): Promise<void> {
  try {
    const result = use(socket);
    if (isLate && result instanceof Promise) result.catch(() => {});
    else await result;
  } catch {
    // A released socket fails every call.
  }
}

/** Writes as most callers do, in both ways, and collects all that arrives. */
async function heardByNext({ socket }: Lease, meanwhile: () => Promise<void>): Promise<string> {
  let heard = Buffer.alloc(0);
  const expected = Buffer.byteLength(GREETING) * 2;
  const complete = new Promise<void>((resolve) => {
    socket.on('close', resolve);
    socket.on('data', (chunk: Buffer) => {
      heard = Buffer.concat([heard, chunk]);
      if (heard.length >= expected) resolve();
    });
  });
  await meanwhile();
  socket.write(GREETING);
  await meanwhile();
  socket.write(Buffer.from(GREETING));
  await complete;
  // Nothing of another conversation follows.
  await turn();
  return String(heard);
}

const GREETING = 'Grüße €';

async function check(
  t: ExecutionContext,
  pool: BrokerPool | SharedPool,
  uses: ReadonlyMap<string, Use>,
): Promise<void> {
  for (const [title, use] of uses) {
    const first = await pool.acquire();
    const { socket } = first;
    await attempt(use, socket, false);
    first.release();
    await attempt(use, socket, true);
    const next = await pool.acquire();
    t.is(await heardByNext(next, () => attempt(use, socket, true)), GREETING + GREETING, title);
    t.is(next.socket.listenerCount('close'), 1, title);
    next.release();
  }
}

test('whatever a caller does with its socket, during its lease or later, the next caller gets just its own answers', async (t) => {
  const pool = new BrokerPool({ ...(await startSystem(t)).target, max: 1 });
  t.teardown(() => pool.destroy());
  await check(t, pool, allUses(t));
});

testWhere(canShare, SHARING)(
  'whatever a caller does with a socket of a shared pool, the next caller gets just its own answers',
  async (t) => {
    const pool = new BrokerPool({ ...(await startSystem(t)).target, max: 1 });
    t.teardown(() => pool.destroy());
    const shared = await connectSharedPool(pool.share());
    t.teardown(() => shared.close({ timeoutMs: 0 }));
    await check(t, shared, allUses(t));
  },
);

test('whatever validate does with a socket, before the first lease or later, the next caller gets just its own answers', async (t) => {
  let use: Use = () => {};
  let usesNew = false;
  const validate = async ({ socket, isNew }: ConnectionToValidate): Promise<boolean> => {
    // Once for each use: many close the connection, and the next one must be good.
    if (isNew && !usesNew) return true;
    usesNew = false;
    await attempt(use, socket, false);
    setImmediate(() => void attempt(use, socket, true));
    return true;
  };
  const pool = new BrokerPool({ ...(await startSystem(t)).target, max: 1, validate, validateAfterIdleMs: 0 });
  t.teardown(() => pool.destroy());
  await pool.use(({ socket }) => void socket.destroy());
  for (const [title, each] of allUses(t)) {
    use = each;
    // What a hook makes up before the first lease counts as the backend's greeting.
    usesNew = !['push()', 'unshift()'].includes(title);
    await pool.use(() => {});
    const next = await pool.acquire();
    t.is(await heardByNext(next, async () => {}), GREETING + GREETING, title);
    next.destroy();
  }
});
