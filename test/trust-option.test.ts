import type { ExecutionContext } from 'ava';
import { checkTrust, type TrustOptions } from '../src/trust-option.js';
import { ownTrust } from '../src/os/endpoint-trust.js';
import test from './helpers/sanitary.js';

function refuses(t: ExecutionContext, trust: TrustOptions, platform: NodeJS.Platform, message: RegExp): void {
  t.throws(() => checkTrust('trust', trust, platform), { code: 'INVALID_ARGUMENT', message });
}

test('trust on POSIX systems takes further users and shared directories', (t) => {
  for (const platform of ['linux', 'darwin'] as const) {
    const own = ownTrust();
    t.deepEqual(checkTrust('trust', { userIds: [4_242], sharedDirectories: true }, platform), {
      userIds: [...own.userIds, 4_242],
      sharedDirectories: true,
    });
  }
});

test('trust options that have no effect on Windows are refused there by name', (t) => {
  refuses(t, { userIds: [1_000] }, 'win32', /^trust\.userIds has no effect on Windows/);
  refuses(t, { sharedDirectories: true }, 'win32', /^trust\.sharedDirectories has no effect on Windows/);
});

test('trust options that ask for nothing are accepted on Windows', (t) => {
  for (const trust of [
    {},
    { userIds: [] },
    { sharedDirectories: false },
    { userIds: [], sharedDirectories: false },
  ]) {
    t.notThrows(() => checkTrust('trust', trust, 'win32'));
  }
});

test('wrong trust options are refused by name on every system', (t) => {
  for (const platform of ['linux', 'win32'] as const) {
    for (const userIds of [[-1], [1.5], [2 ** 32], [Number.NaN]])
      refuses(t, { userIds }, platform, /^trust\.userIds must be/);
    t.throws(() => checkTrust('trust', { sharedDirectories: 1 }, platform), {
      code: 'INVALID_ARGUMENT',
      message: /^trust\.sharedDirectories/,
    });
  }
});
