import { deepStrictEqual } from 'node:assert/strict';
import * as fc from 'fast-check';
import { EndpointCache } from '../../src/endpoint-cache/endpoint-cache.js';
import { targetKey, type Target } from '../../src/target.js';
import { until } from '../helpers/leftovers.js';
import test from '../helpers/sanitary.js';

test('the least recently used endpoint is dropped first, and get() counts as use', (t) => {
  const cache = new EndpointCache({ max: 2, ttlMs: 0 });
  cache.set('a', '/a');
  cache.set('b', '/b');
  t.is(cache.get('a'), '/a');
  cache.set('c', '/c');
  t.is(cache.size, 2);
  t.deepEqual(
    ['a', 'b', 'c'].map((key) => cache.get(key)),
    ['/a', undefined, '/c'],
  );
});

test('invalidate() drops the endpoint, but not a newer one of the same target (X-26, X-27)', (t) => {
  const cache = new EndpointCache({ max: 2, ttlMs: 0 });
  cache.set('a', '/old');
  cache.set('a', '/new');
  cache.invalidate('a', '/old');
  t.is(cache.get('a'), '/new');
  cache.invalidate('a', '/new');
  t.is(cache.get('a'), undefined);
  cache.invalidate('a', '/new');
  t.is(cache.size, 0);
});

test('invalidate() does not count as use', (t) => {
  const cache = new EndpointCache({ max: 2, ttlMs: 0 });
  cache.set('a', '/a');
  cache.set('b', '/b');
  cache.invalidate('a', '/other');
  cache.set('c', '/c');
  t.is(cache.get('a'), undefined);
});

test('clear() drops all endpoints', (t) => {
  const cache = new EndpointCache({ max: 2, ttlMs: 0 });
  cache.set(targetKey({ serviceName: 'a', wantedVersion: '1', brokerEndpoint: '/broker' }), '/a');
  cache.clear('/broker');
  t.is(cache.size, 0);
});

test('delete() drops the endpoint', (t) => {
  const cache = new EndpointCache({ max: 2, ttlMs: 0 });
  cache.set('a', '/a');
  cache.delete('a');
  cache.delete('b');
  t.is(cache.get('a'), undefined);
});

test('an endpoint is forgotten after its time to live, fractions of a millisecond included', async (t) => {
  for (const ttlMs of [1, 0.25, 1.5]) {
    const cache = new EndpointCache({ max: 2, ttlMs });
    cache.set('a', '/a');
    t.true(await until(() => cache.get('a') === undefined), `${ttlMs} ms`);
  }
});

test('a cache with the greatest limit allocates no memory in advance', (t) => {
  const cache = new EndpointCache({ max: Number.MAX_SAFE_INTEGER, ttlMs: 0 });
  cache.set('a', '/a');
  t.is(cache.get('a'), '/a');
});

test('after any operations the cache agrees with a plain map', (t) => {
  const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const endpoint = fc.constantFrom('/1', '/2', '/3');
  const operation = fc.tuple(fc.constantFrom('get', 'set', 'invalidate', 'delete'), key, endpoint);
  t.notThrows(() => {
    fc.assert(
      fc.property(
        fc.array(operation, { maxLength: 60, size: 'max' }),
        fc.integer({ min: 1, max: 4 }),
        (operations, max) => {
          const cache = new EndpointCache({ max, ttlMs: 0 });
          // A Map keeps the order of insertion: the first key is the least recently used.
          const model = new Map<string, string>();
          for (const [kind, name, value] of operations) {
            const known = model.get(name);
            if (kind === 'get') {
              deepStrictEqual(cache.get(name), known);
              if (known !== undefined) touch(model, name, known);
            } else if (kind === 'set') {
              cache.set(name, value);
              touch(model, name, value);
              const [oldest] = model.keys();
              if (model.size > max && oldest !== undefined) model.delete(oldest);
            } else if (kind === 'invalidate') {
              cache.invalidate(name, value);
              if (known === value) model.delete(name);
            } else {
              cache.delete(name);
              model.delete(name);
            }
            deepStrictEqual(cache.size, model.size);
          }
        },
      ),
    );
  });
});

function touch(model: Map<string, string>, key: string, value: string): void {
  model.delete(key);
  model.set(key, value);
}

test("no two targets have the same key, whatever the broker's path looks like", (t) => {
  const name = fc.stringMatching(/^[a-z0-9-]{1,4}$/);
  const version = fc.constantFrom('1.2.3', '1.2.3-a', '11.2.3', '1.2.3-1');
  const brokerEndpoint = fc.constantFrom('/b', '/ b', '/b 1.2.3 /b', '\0b');
  const target: fc.Arbitrary<Target> = fc.record(
    { brokerEndpoint, serviceName: name, wantedVersion: version },
    { noNullPrototype: true },
  );
  t.notThrows(() => {
    fc.assert(
      fc.property(target, target, (one, other) => {
        const same =
          one.brokerEndpoint === other.brokerEndpoint &&
          one.serviceName === other.serviceName &&
          one.wantedVersion === other.wantedVersion;
        deepStrictEqual(targetKey(one) === targetKey(other), same);
      }),
    );
  });
});
