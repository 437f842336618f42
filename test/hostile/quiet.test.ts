import { systemClock, type Clock, type Deadline } from '../../src/clock.js';
import { loadNative } from '../../src/os/native.js';
import { BrokerPool } from '../../src/broker-pool.js';
import { lastingSystem } from '../helpers/lasting-system.js';
import { Leftovers, until } from '../helpers/leftovers.js';
import test from '../helpers/sanitary.js';
import { ask } from '../helpers/talk.js';
import { onWindows, testWhere } from '../helpers/test-where.js';

const systemOf = lastingSystem();
const posixTest = testWhere(!onWindows, 'POSIX', test.serial);
const threadTest = testWhere(
  process.platform === 'linux' && loadNative() !== undefined,
  'the C library and Linux, where threads are counted',
  test.serial,
);

/** The real clock, and how many of its timers are set. */
class WatchedClock implements Clock {
  set = 0;

  now(): number {
    return systemClock.now();
  }

  afterTurn(callback: () => void): () => void {
    return systemClock.afterTurn(callback);
  }

  random(): number {
    return systemClock.random();
  }

  schedule(delayMs: number, callback: () => void, keepAlive = false): () => void {
    const timer = this.deadline(delayMs, callback, keepAlive);
    return () => timer.cancel();
  }

  deadline(delayMs: number, callback: (dueByMs: number) => void, keepAlive = false): Deadline {
    this.set += 1;
    let isSet = true;
    const unset = (): void => {
      if (isSet) this.set -= 1;
      isSet = false;
    };
    const onTime = (dueByMs: number): void => {
      unset();
      callback(dueByMs);
    };
    const timer = systemClock.deadline(delayMs, onTime, keepAlive);
    const cancel = (): void => {
      unset();
      timer.cancel();
    };
    return { cancel, keepAlive: (isWanted) => timer.keepAlive(isWanted) };
  }
}

threadTest(
  'a pool has no thread before it asks for a handoff, one for any number of them, and none after its end (G-08)',
  async (t) => {
    const system = await systemOf(t);
    const leftovers = new Leftovers();
    const threads = (): string[] => leftovers.list().filter((line) => line.startsWith('threads'));
    const pool = new BrokerPool({
      ...system.target,
      max: 50,
      maxConnecting: 50,
      endpointCache: false,
      adoptHandedOffConnection: true,
    });
    t.deepEqual(threads(), []);
    const leases = await Promise.all(Array.from({ length: 50 }, () => pool.acquire()));
    t.deepEqual(threads(), ['threads: 1']);
    for (const lease of leases) lease.release();
    await pool.close();
    t.true(await until(() => threads().length === 0));
  },
);

posixTest(
  'an idle pool keeps nothing alive, and hundreds of callers share a few timers (G-09)',
  async (t) => {
    const system = await systemOf(t);
    const leftovers = new Leftovers();
    const clock = new WatchedClock();
    const pool = new BrokerPool({ ...system.target, max: 2 }, clock);
    await Promise.all(Array.from({ length: 500 }, () => pool.use(({ socket }) => ask(socket, 'hello'))));
    const held = await Promise.all([pool.acquire(), pool.acquire()]);
    const waiting = Array.from({ length: 500 }, () => pool.acquire({ timeoutMs: 30_000 }));
    t.true(clock.set <= 3, `${clock.set} timers`);
    for (const lease of held) lease.release();
    for (const lease of waiting) (await lease).release();
    t.is(pool.stats().idle, 2);
    const active = (): string[] => leftovers.list().filter((line) => line.startsWith('active'));
    t.true(await until(() => active().length === 0), active().join());
    await pool.close();
    t.is(clock.set, 0);
  },
);
