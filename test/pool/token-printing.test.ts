import { strictEqual } from 'node:assert';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { inspect, type InspectOptions } from 'node:util';
import { connectToBackend, connectSharedPool, BrokerPool, BrokerPoolError } from '../../src/index.js';
import { loadNative } from '../../src/os/native.js';
import { POOL_EVENT_NAMES } from '../../src/pool/watching/events.js';
import { echo, startSystem } from '../helpers/system.js';
import { SHARING, testWhere } from '../helpers/test-where.js';
import { canShare } from '../sharing/kit.js';

/** Each way in which a console or a log can print something. */
function printed(value: unknown): string[] {
  const flags = [false, true];
  const all: InspectOptions[] = flags.flatMap((showHidden) =>
    flags.flatMap((customInspect) =>
      flags.map((showProxy) => ({
        showHidden,
        customInspect,
        showProxy,
        depth: null,
        maxArrayLength: null,
        maxStringLength: null,
      })),
    ),
  );
  return [
    ...all.map((options) => inspect(value, options)),
    messageOf(() => strictEqual(value, 1)),
    messageOf(() => structuredClone(value)),
    json(value),
  ];
}

function messageOf(work: () => unknown): string {
  try {
    return inspect(work(), { depth: null });
  } catch (error) {
    return inspect(error, { depth: null, showHidden: true, customInspect: false });
  }
}

function json(value: unknown): string {
  const seen = new Set<unknown>();
  const once = (_key: string, each: unknown): unknown => {
    if (typeof each === 'bigint') return String(each);
    if (typeof each !== 'object' || each === null) return each;
    return seen.has(each) ? undefined : (seen.add(each), each);
  };
  return (
    JSON.stringify(value, once) +
    JSON.stringify(typeof value === 'object' && value !== null ? { ...value } : value, once)
  );
}

/** The token's bytes as any of these would write them. */
function tokenIn(text: string, token: Uint8Array): boolean {
  const dense = text.replaceAll(/\s|"\d+":/g, '');
  const buffer = Buffer.from(token);
  return [token.join(','), buffer.toString('hex'), buffer.toString('base64'), buffer.toString('latin1')].some(
    (form) => dense.includes(form),
  );
}

testWhere(loadNative() !== undefined, 'the C library')(
  'no console, assertion, clone, JSON or event shows the token of a lease, its socket or its pool',
  async (t) => {
    const { target } = await startSystem(t, { backend: { handoff: 'accept' } });
    const pool = new BrokerPool({ ...target, handoffToken: true, endpointCache: false, max: 2 });
    t.teardown(() => pool.destroy());
    const heard: unknown[] = [];
    const listen = (event: unknown): void => void heard.push(event);
    for (const name of POOL_EVENT_NAMES) subscribe(`broker-pool:${name}`, listen);
    t.teardown(() => POOL_EVENT_NAMES.forEach((name) => unsubscribe(`broker-pool:${name}`, listen)));
    const lease = await pool.acquire();
    const token = Uint8Array.from(lease.handoffToken ?? []);
    t.is(token.length, 16);
    t.true(tokenIn(inspect(token), token), 'the test would see it');
    const { socket } = lease;
    await echo(socket, 'word');
    const connected = await connectToBackend({ ...target, handoffToken: true });
    t.teardown(() => connected.socket.destroy());
    for (const value of [lease, socket, pool, pool.stats(), lease.negotiated])
      for (const text of printed(value)) t.false(tokenIn(text, token), text.slice(0, 200));
    const other = connected.handoffToken ?? new Uint8Array();
    t.is(other.length, 16);
    for (const text of printed(connected)) t.false(tokenIn(text, other), text.slice(0, 200));
    lease.release();
    t.throws(() => lease.handoffToken, { instanceOf: BrokerPoolError });
    for (const value of [lease, socket, ...heard])
      for (const text of printed(value)) t.false(tokenIn(text, token), text.slice(0, 200));
  },
);

testWhere(canShare, SHARING)(
  'no console, assertion, clone or JSON shows the token of a lease of a shared pool',
  async (t) => {
    const { target } = await startSystem(t, { backend: { handoff: 'accept' } });
    const pool = new BrokerPool({ ...target, handoffToken: true });
    t.teardown(() => pool.destroy());
    const shared = await connectSharedPool(pool.share());
    t.teardown(() => shared.close({ timeoutMs: 0 }));
    const lease = await shared.acquire();
    const token = Uint8Array.from(lease.handoffToken ?? []);
    t.is(token.length, 16);
    for (const value of [lease, lease.socket, shared])
      for (const text of printed(value)) t.false(tokenIn(text, token), text.slice(0, 200));
    lease.release();
  },
);
