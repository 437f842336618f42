import { inspect } from 'node:util';
import type { ExecutionContext } from 'ava';
import test from '../../helpers/sanitary.js';
import {
  adopt,
  adopting,
  BROKER,
  EMPTY_PIPE,
  handshake,
  NEGOTIATED,
  negotiatedFrame,
  readyFrame,
  reconnect,
  refusedFrame,
  stepAfter,
} from './exchange-kit.js';

/** Runs something as it would run on another system. */
function on(platform: NodeJS.Platform, run: () => void): void {
  const descriptor = Object.getOwnPropertyDescriptor(process, 'platform') ?? {};
  Object.defineProperty(process, 'platform', { ...descriptor, value: platform });
  try {
    run();
  } finally {
    Object.defineProperty(process, 'platform', descriptor);
  }
}

/** Both ways to a dial: without a handoff, and after one that failed. */
const WAYS = [
  (backendPipe: string) => stepAfter(handshake(), negotiatedFrame({ backendPipe })),
  (backendPipe: string) =>
    stepAfter(adopting(), negotiatedFrame({ backendPipe }), readyFrame({ accepted: false })),
];

function refuses(t: ExecutionContext, backendPipe: string, problem: RegExp): void {
  for (const way of WAYS) {
    const step = way(backendPipe);
    if (step.kind !== 'failed') return t.fail(step.kind);
    const { code, message, endpoint, system } = step.failure;
    t.deepEqual(
      { code, endpoint, pending: step.replyPending },
      { code: 'BACKEND_CONNECT', endpoint: BROKER, pending: false },
    );
    t.like(system, { code: 'EINVAL', syscall: 'connect' });
    t.regex(message, problem);
    t.true(
      message.startsWith('failed to connect to negotiated backend: the endpoint that the broker named '),
    );
    t.true(message.length < 300, message);
  }
}

function dials(t: ExecutionContext, backendPipe: string, endpoint = backendPipe): void {
  for (const way of WAYS) t.deepEqual(way(backendPipe), { ...reconnect({ backendPipe }), endpoint });
}

const BAD_ON_ALL: readonly (readonly [name: string, problem: RegExp])[] = [
  ['backend.sock', / must be an absolute path.*, got "backend\.sock"$/],
  ['../backend.sock', / must be an absolute path/],
  ['@backend', / must be an absolute path/],
  ['\0', /, got "\\u0000"$/],
  ['/run/backend.sock\0', /, got "\/run\/backend\.sock\\u0000"$/],
  [`/${'x'.repeat(9_000_000)}`, / is 9000001 bytes long, the limit on \w+ is \d+: "\/x{79}…"$/],
  ['\u001b[31m\u009bred\u202e', /got "\\u001b\[31m\\u009bred\\u202e"$/],
];

for (const platform of ['linux', 'darwin', 'freebsd'] as const) {
  test(`${platform}: a backend that no address can name is BACKEND_CONNECT, never dialled and never a throw (C-18, N-07)`, (t) => {
    on(platform, () => {
      for (const [name, problem] of BAD_ON_ALL) refuses(t, name, problem);
      refuses(t, '/'.padEnd(platform === 'linux' ? 108 : 104, 'x'), / bytes long/);
      dials(t, '/'.padEnd(platform === 'linux' ? 107 : 103, 'x'));
    });
  });
}

test('an abstract backend is dialled on Linux only', (t) => {
  on('linux', () => {
    dials(t, '\0backend');
    refuses(t, '\0'.padEnd(109, 'x'), / is 109 bytes long/);
  });
  for (const platform of ['darwin', 'win32'] as const)
    on(platform, () => refuses(t, '\0backend', / must be .*, got "\\u0000backend"$/));
});

test('a pipe is dialled by its full name, and nothing else is on Windows (N-06)', (t) => {
  on('win32', () => {
    dials(t, 'backend', '\\\\.\\pipe\\backend');
    dials(t, '\\\\.\\pipe\\backend');
    for (const name of ['\\\\.\\pipe\\', 'a\0b', '..\\C:\\backend', '\\\\.\\pipe\\../COM1'])
      refuses(t, name, / must be the name of a pipe of this machine: .*, got /);
    refuses(t, 'x'.repeat(252), / is 261 UTF-16 units long/);
  });
});

test('a handoff needs no endpoint: one that cannot be dialled is reported as empty (C-17)', (t) => {
  on('linux', () => {
    for (const backendPipe of ['', 'backend.sock', '/a\0b', `/${'x'.repeat(1_000)}`]) {
      const step = stepAfter(adopting(), negotiatedFrame({ backendPipe }), readyFrame());
      t.deepEqual(step, adopt(undefined, { ...NEGOTIATED, backendPipe }, ''));
    }
  });
  on('win32', () => {
    const step = stepAfter(adopting(), negotiatedFrame({ backendPipe: 'backend' }), readyFrame());
    t.deepEqual(step, adopt(undefined, { ...NEGOTIATED, backendPipe: 'backend' }, '\\\\.\\pipe\\backend'));
  });
});

test('an empty endpoint fails with EMPTY_BACKEND_PIPE, not with BACKEND_CONNECT', (t) => {
  for (const way of WAYS) t.deepEqual(way(''), EMPTY_PIPE);
});

test("an error quotes 200 characters of a refusal's text, without control characters", (t) => {
  const step = stepAfter(handshake(), refusedFrame({ reason: `\u001b[2J\r\n${'x'.repeat(5_000_000)}` }));
  if (step.kind !== 'failed') return t.fail(step.kind);
  const shown = `\\u001b[2J\\u000d\\u000a${'x'.repeat(194)}…`;
  t.is(step.failure.message, `broker refused Hello: ${shown} (code 0, retry_after_ms=0)`);
  t.is(step.failure.reason, shown);
  t.true(inspect(step.failure).length < 1_000);
});
