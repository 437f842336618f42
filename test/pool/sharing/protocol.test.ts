import * as fc from 'fast-check';
import { parseClientMessage, parseWelcome } from '../../../src/pool/sharing/protocol.js';
import test from '../../helpers/sanitary.js';

const acquire = { kind: 'acquire', acquireId: 1, timeoutMs: 10, askedAtMs: 5, abortable: false };
const GOOD = [
  acquire,
  { ...acquire, abortable: true, serviceName: 'demo', wantedVersion: '1.0.0' },
  { kind: 'abort', acquireId: 0 },
  { kind: 'release', acquireId: 1, kept: true, everReceived: false },
  { kind: 'destroy', acquireId: 1, reason: 'dirty' },
  { kind: 'leave' },
];

test('every message of a worker is accepted', (t) => {
  for (const message of GOOD) t.deepEqual<unknown, unknown>(parseClientMessage(message), message);
});

test('a message without a field, or with a value of another type in it, is rejected', (t) => {
  for (const message of GOOD) {
    for (const name of Object.keys(message)) {
      if (name === 'serviceName' || name === 'wantedVersion') continue;
      t.is(
        parseClientMessage({ ...message, [name]: undefined }),
        undefined,
        `${message.kind} without ${name}`,
      );
    }
    if ('acquireId' in message)
      for (const acquireId of [-1, 0.5, NaN, '1', 2 ** 53])
        t.is(parseClientMessage({ ...message, acquireId }), undefined);
  }
  t.is(parseClientMessage({ ...acquire, serviceName: 1 }), undefined);
  t.is(parseClientMessage({ kind: 'destroy', acquireId: 1, reason: 'poolClosed' }), undefined);
  t.is(parseClientMessage({ kind: 'lease', acquireId: 1 }), undefined);
});

test('values that are not messages are rejected without an error', (t) => {
  fc.assert(
    fc.property(
      fc.anything(),
      (value) => parseClientMessage(value) === undefined && parseWelcome(value) === undefined,
    ),
  );
  t.pass();
});

test('a welcome must have all its fields', (t) => {
  const welcome = { kind: 'welcome', version: 1, acquireTimeoutMs: 30_000 };
  t.deepEqual<unknown, unknown>(parseWelcome(welcome), welcome);
  t.is(parseWelcome({ ...welcome, version: '1' }), undefined);
  t.is(parseWelcome({ kind: 'welcome', version: 1 }), undefined);
  t.is(parseWelcome({ ...welcome, brokerEndpoint: 1 }), undefined);
});
