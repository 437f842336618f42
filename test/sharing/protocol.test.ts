import * as fc from 'fast-check';
import { isClientMessage, isWelcome } from '../../src/sharing/protocol.js';
import test from '../helpers/sanitary.js';

const acquire = { kind: 'acquire', acquireId: 1, timeoutMs: 10, askedAtMs: 5, abortable: false };
const GOOD = [
  acquire,
  { ...acquire, abortable: true, serviceName: 'demo', wantedVersion: '1.0.0' },
  { kind: 'abort', acquireId: 0 },
  { kind: 'release', acquireId: 1, kept: true, everReceived: false, turn: 0 },
  { kind: 'claimed', acquireId: 2, connectionId: 1 },
  { kind: 'destroy', acquireId: 1, reason: 'dirty' },
  { kind: 'leave' },
  { kind: 'read' },
];

test('every message of a worker is accepted', (t) => {
  for (const message of GOOD) t.true(isClientMessage(message), message.kind);
});

test('a message without a field, or with a value of another type in it, is rejected', (t) => {
  for (const message of GOOD) {
    for (const name of Object.keys(message)) {
      if (name === 'serviceName' || name === 'wantedVersion') continue;
      t.false(isClientMessage({ ...message, [name]: undefined }), `${message.kind} without ${name}`);
    }
    if ('acquireId' in message)
      for (const acquireId of [-1, 0.5, NaN, '1', 2 ** 53])
        t.false(isClientMessage({ ...message, acquireId }));
  }
  t.false(isClientMessage({ ...acquire, serviceName: 1 }));
  t.false(isClientMessage({ kind: 'destroy', acquireId: 1, reason: 'poolClosed' }));
  t.false(isClientMessage({ kind: 'lease', acquireId: 1 }));
});

test('values that are not messages are rejected without an error', (t) => {
  fc.assert(fc.property(fc.anything(), (value) => !isClientMessage(value) && !isWelcome(value)));
  t.pass();
});

test('a welcome has a version', (t) => {
  t.true(isWelcome({ kind: 'welcome', version: 99 }));
  t.false(isWelcome({ kind: 'welcome', version: '1' }));
  t.false(isWelcome({ kind: 'page', version: 1 }));
});
