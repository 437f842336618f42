import { BrokerPoolError } from '../../../src/errors.js';
import { Capacity } from '../../../src/pool/capacity.js';
import { RefusalCache } from '../../../src/pool/connecting/refusal-cache.js';
import { ConnectionOpener } from '../../../src/pool/connecting/connection-opener.js';
import { EntryList, LinkedQueue } from '../../../src/pool/containers.js';
import { HealthChecks } from '../../../src/pool/health-check.js';
import { PooledConnection } from '../../../src/pool/pooled-connection.js';
import { Backoff } from '../../../src/pool/connecting/backoff.js';
import { TargetLimits } from '../../../src/pool/target-limits.js';
import { TargetPool } from '../../../src/pool/target-pool.js';
import { AcquireQueue } from '../../../src/pool/acquire-queue.js';
import test from '../../helpers/sanitary.js';
import { PoolModel } from './pool-model.js';
import { RuleBroken, type Rule } from './rules.js';

const STEPS = 300;
/** Pools, each with a scenario of its own, must be enough to notice a fault. */
const SEEDS = 40;

interface Fault {
  readonly title: string;
  /** A method of a class of the pool, and its replacement. */
  readonly prototype: object;
  readonly name: string;
  /** @param original the right one */
  readonly plant: (original: PropertyDescriptor) => PropertyDescriptor;
  readonly breaks: readonly Rule[];
}

/** A method in place of another. `this` is whatever it is called on. */
function method(
  replace: (self: never, original: (...values: unknown[]) => unknown, values: unknown[]) => unknown,
): Fault['plant'] {
  return (descriptor) => ({
    ...descriptor,
    value(this: never, ...values: unknown[]) {
      return replace(this, descriptor.value.bind(this), values);
    },
  });
}

const nothing = method(() => undefined);

const QUEUE_FULL = new BrokerPoolError('QUEUE_FULL', 'too many wait');

/** Connections that were checked for a waiter since a fault was planted. */
const checkedBy = new WeakMap<HealthChecks, Set<unknown>>();

const faults: readonly Fault[] = [
  {
    title: 'the waiter that came last is served first',
    prototype: LinkedQueue.prototype,
    name: 'shift',
    plant: method((queue: LinkedQueue<never>, shift) => {
      const waiter = queue.last;
      // `remove` shifts the first one.
      if (waiter === undefined || waiter === queue.first) return shift();
      queue.remove(waiter);
      return waiter;
    }),
    breaks: ['first come, first served'],
  },
  {
    title: 'a waiter stays in the queue when it is served',
    prototype: LinkedQueue.prototype,
    name: 'shift',
    plant: method((queue: LinkedQueue<never>, shift) => {
      const waiter = queue.first;
      shift();
      if (waiter !== undefined && queue.size === 0) queue.push(waiter);
      return waiter;
    }),
    breaks: ['every acquire settles once', 'the counts add up', 'nothing is leased twice'],
  },
  {
    title: 'a leased connection stays among the idle ones',
    prototype: EntryList.prototype,
    name: 'leaseNewest',
    plant: nothing,
    breaks: ['nothing is leased twice', 'the counts add up', 'every acquire settles once'],
  },
  {
    title: 'max and maxConnecting are not checked',
    prototype: TargetLimits.prototype,
    name: 'belowLimits',
    plant: method(() => true),
    breaks: ['the limits hold'],
  },
  {
    title: 'maxTotal is not checked',
    prototype: Capacity.prototype,
    name: 'take',
    plant: method(() => true),
    breaks: ['the limits hold'],
  },
  {
    title: 'a place in the whole pool is not given back',
    prototype: Capacity.prototype,
    name: 'release',
    plant: nothing,
    breaks: ['no caller waits while a connection can be opened', 'the pool refills by itself'],
  },
  {
    title: 'a connection that comes back is not checked',
    prototype: PooledConnection.prototype,
    name: 'recycle',
    plant: nothing,
    breaks: ['a lease is in good order'],
  },
  {
    title: 'clear forgets the connects under way',
    prototype: ConnectionOpener.prototype,
    name: 'clear',
    plant: method((opener: ConnectionOpener) => opener.retryNow()),
    breaks: ['a lease is in good order'],
  },
  {
    title: 'a timeout does not say why connecting failed',
    prototype: ConnectionOpener.prototype,
    name: 'timeoutError',
    plant: method((opener: ConnectionOpener, timeoutError, values) => {
      opener.lastError = undefined;
      return timeoutError(...values);
    }),
    breaks: ['an error says what happened'],
  },
  {
    title: 'a waiter relies on a validation for as long as it takes',
    prototype: HealthChecks.prototype,
    name: 'check',
    plant: method((health: HealthChecks, check, [connection, wanted]) => {
      const checked = (checkedBy.get(health) ?? new Set()).add(connection);
      if (wanted === true) checkedBy.set(health, checked);
      const underWay = (): unknown[] =>
        [...checked].filter((each) => each instanceof PooledConnection && each.state === 'reserved');
      Object.defineProperty(health, 'expected', { configurable: true, get: () => underWay().length });
      return check(connection, wanted);
    }),
    breaks: [
      'no caller waits while an idle connection is good',
      'no caller waits while a connection can be opened',
    ],
  },
  {
    title: 'min holds for every target that was asked for once',
    prototype: TargetPool.prototype,
    name: 'acquire',
    plant: method((pool: TargetPool, acquire, values) => {
      pool.warm(1, undefined).catch(() => {});
      return acquire(...values);
    }),
    breaks: ['a target that was never warmed keeps no connection'],
  },
  {
    title: 'a waiter for a connect counts towards maxWaiting',
    prototype: TargetPool.prototype,
    name: 'acquire',
    plant: method((pool: TargetPool, acquire, values) =>
      pool.stats().waiting > 0 && pool.stats().total === 0 ? Promise.reject(QUEUE_FULL) : acquire(...values),
    ),
    breaks: ['an error says what happened'],
  },
  {
    title: 'a final refusal forbids spare connects for ever',
    prototype: RefusalCache.prototype,
    name: 'forbidsSpare',
    plant: (descriptor) => ({ ...descriptor, get: (): boolean => true }),
    breaks: ['the pool refills by itself'],
  },
  {
    title: 'no waiter is woken after a pause',
    prototype: Backoff.prototype,
    name: 'onFailure',
    plant: method((_backoff, onFailure) => onFailure(Infinity)),
    breaks: ['no caller waits while a connection can be opened', 'the pool refills by itself'],
  },
  {
    title: 'a wait has no deadline',
    prototype: AcquireQueue.prototype,
    name: 'enter',
    plant: method((_queue, enter, [, ...values]) => enter(Infinity, ...values)),
    breaks: ['no acquire ends before its time, or long after it'],
  },
  {
    title: 'a deadline comes too early',
    prototype: AcquireQueue.prototype,
    name: 'enter',
    plant: method((_queue, enter, [timeoutMs, ...values]) => enter(Number(timeoutMs) / 2, ...values)),
    breaks: ['no acquire ends before its time, or long after it'],
  },
  {
    title: 'an aborted wait goes on',
    prototype: TargetPool.prototype,
    name: 'acquire',
    plant: method((_pool, acquire, [timeoutMs]) => acquire(timeoutMs, undefined)),
    breaks: ['every acquire settles once'],
  },
  {
    title: 'a closed connection leaves its socket open',
    prototype: PooledConnection.prototype,
    name: 'destroy',
    plant: nothing,
    breaks: ['nothing is left open'],
  },
];

/** The most seeds that a fault needed to be noticed. */
let seedsNeeded = 1;

/** The broken rule that the first of so many seeds finds. */
async function firstComplaint(seeds = SEEDS): Promise<unknown> {
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      await new PoolModel(seed).run(STEPS);
    } catch (error) {
      seedsNeeded = Math.max(seedsNeeded, seed);
      return error;
    }
  }
  return undefined;
}

for (const { title, prototype, name, plant, breaks } of faults) {
  test.serial(`the model notices when ${title}`, async (t) => {
    const original = Object.getOwnPropertyDescriptor(prototype, name) ?? inherited(prototype, name);
    Object.defineProperty(prototype, name, plant(original));
    const complaint = await firstComplaint().finally(() => Object.defineProperty(prototype, name, original));
    if (complaint instanceof RuleBroken) t.true(breaks.includes(complaint.rule), complaint.message);
    else t.fail(complaint === undefined ? 'it did not notice' : JSON.stringify(complaint));
  });
}

// More seeds without a fault are those of pool.model.test.ts.
test.serial('the model finds no broken rule without a fault, by the same seeds', async (t) => {
  t.is(await firstComplaint(seedsNeeded), undefined);
});

function inherited(prototype: object, name: string): PropertyDescriptor {
  return { configurable: true, writable: true, value: Reflect.get(prototype, name) };
}
