/** Socket members that a caller has replaced, and that throw when the pool uses them. */
import { Socket } from 'node:net';
import { failureOf, openPool } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';
import { echo, startSystem } from '../../helpers/system.js';

function throws(): never {
  throw new Error("a member of the caller's");
}

/**
 * Every member of a socket, as this Node has them, but for those that Node itself calls when it closes a
 * socket, outside of any pool.
 */
function memberNames(): string[] {
  const names = new Set(Object.getOwnPropertyNames(new Socket()));
  for (
    let prototype: unknown = Socket.prototype;
    typeof prototype === 'object' && prototype !== null;
    prototype = Object.getPrototypeOf(prototype)
  ) {
    if (prototype === Object.prototype) break;
    for (const name of Object.getOwnPropertyNames(prototype)) names.add(name);
  }
  return [...names].filter((name) => !name.startsWith('_') && name !== 'constructor' && name !== 'emit');
}

for (const end of ['release', 'destroy'] as const) {
  test(`${end} gives the place back where a public member of the socket but emit throws, and the next caller is served`, async (t) => {
    const { target } = await startSystem(t);
    const pool = openPool(t, target, { max: 1, maxTotal: 1, acquireTimeoutMs: 10_000 });
    const names = memberNames();
    t.true(names.length > 70, String(names.length));
    for (const name of names) {
      const lease = await pool.acquire();
      const { socket } = lease;
      const isMethod = typeof Reflect.get(socket, name) === 'function';
      Object.defineProperty(socket, name, {
        configurable: true,
        ...(isMethod ? { value: throws } : { get: throws }),
      });
      t.notThrows(() => lease[end](), name);
      t.is(await pool.use((next) => echo(next.socket, name)), name);
    }
    t.is(pool.stats().total, 1);
    t.is(pool.stats().leased, 0);
    await pool.close({ timeoutMs: 5_000 });
    t.is((await failureOf(pool.acquire())).code, 'POOL_CLOSED');
  });
}
