import { didYouMean } from '../src/did-you-mean.js';
import test from './helpers/sanitary.js';

const NAMES = ['timeoutMs', 'idleTimeoutMs', 'max', 'min', 'signal'];

test('a name within two edits is the one that was meant, letter case aside', (t) => {
  const cases = [
    ['timeoutMS', 'timeoutMs'],
    // One or two letters inserted, left out, replaced.
    ['timeoutsMs', 'timeoutMs'],
    ['tiimeeoutMs', 'timeoutMs'],
    ['timeotMs', 'timeoutMs'],
    ['imeotMs', 'timeoutMs'],
    ['timeaatMs', 'timeoutMs'],
    ['sginal', 'signal'],
    ['signl', 'signal'],
    ['maxx', 'max'],
  ];
  for (const [name = '', meant] of cases) t.is(didYouMean(name, NAMES), `; did you mean ${meant}?`, name);
});

test('no name is suggested beyond two edits, for a short word beyond half of it, or where two are as near', (t) => {
  t.is(didYouMean('tmeutM', NAMES), '', 'three edits');
  t.is(didYouMean('time', NAMES), '');
  t.is(didYouMean('ax', ['mix']), '', 'two edits of two letters');
  t.is(didYouMean('ax', ['max']), '; did you mean max?', 'one edit of two letters');
  t.is(didYouMean('man', ['max', 'min']), '', 'one edit from both');
  t.is(didYouMean('timeoutMs', []), '');
});

test('the name of another pool is answered with its counterpart, where the call has that', (t) => {
  const names = ['max', 'maxConnecting', 'acquireTimeoutMs', 'idleTimeoutMs', 'maxWaiting'];
  const cases = [
    ['maxConnections', 'max'],
    ['acquireTimeoutMillis', 'acquireTimeoutMs'],
    ['idleTimeoutMillis', 'idleTimeoutMs'],
    ['maxWaitingClients', 'maxWaiting'],
  ];
  for (const [name = '', meant] of cases) t.is(didYouMean(name, names), `; did you mean ${meant}?`, name);
  t.is(didYouMean('acquireTimeoutMillis', ['max']), '');
});

test('a short name is answered with the option that the call has', (t) => {
  const pool = ['serviceName', 'wantedVersion', 'brokerEndpoint', 'max', 'min', 'acquireTimeoutMs'];
  const cases = [
    ['service', 'serviceName', pool],
    ['version', 'wantedVersion', pool],
    ['endpoint', 'brokerEndpoint', pool],
    ['timeout', 'acquireTimeoutMs', pool],
    ['timeout', 'timeoutMs', ['signal', 'timeoutMs']],
    ['connectTimeoutMs', 'acquireTimeoutMs', pool],
    ['connectTimeoutMs', 'roundTripTimeoutMs', ['brokerEndpoint', 'roundTripTimeoutMs']],
    ['maxSize', 'max', pool],
    ['size', 'max', pool],
    ['size', 'connections', ['connections', 'maxInFlight']],
    ['minSize', 'min', pool],
  ] as const;
  for (const [name, meant, names] of cases) t.is(didYouMean(name, names), `; did you mean ${meant}?`, name);
  t.is(didYouMean('version', ['endpoint']), '');
});

test('the nearer one of two names is suggested, in any order', (t) => {
  for (const names of [
    ['maximum', 'minimum'],
    ['minimum', 'maximum'],
  ])
    t.is(didYouMean('minimun', names), '; did you mean minimum?');
});
