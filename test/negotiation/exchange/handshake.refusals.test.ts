import type { RefusalKind } from '../../../src/errors.js';
import test from '../../helpers/sanitary.js';
import { adopting, failed, handshake, refusedFrame, stepAfter } from './exchange-kit.js';

interface Refusal {
  /** The number on the wire. */
  readonly code: number;
  readonly refusalKind: RefusalKind;
  /** The number the caller gets, where it is another. */
  readonly refusalCode?: number;
}

const REFUSALS: readonly Refusal[] = [
  { code: 0, refusalKind: 'other' },
  { code: 1, refusalKind: 'versionUnsupported' },
  { code: 2, refusalKind: 'serviceUnknown' },
  { code: 3, refusalKind: 'other' },
  { code: 4, refusalKind: 'rateLimited' },
  { code: 5, refusalKind: 'shuttingDown' },
  { code: 6, refusalKind: 'other' },
  { code: 7, refusalKind: 'other' },
  { code: 8, refusalKind: 'versionBlocked' },
  { code: 9, refusalKind: 'other' },
  // Reserved, and what no protocol knows (C-36).
  { code: 10, refusalKind: 'other', refusalCode: 0 },
  { code: 20, refusalKind: 'other', refusalCode: 0 },
  { code: 2 ** 31 - 1, refusalKind: 'other', refusalCode: 0 },
  { code: -1, refusalKind: 'other', refusalCode: 0 },
];

for (const { code, refusalKind, refusalCode = code } of REFUSALS) {
  test(`refusal ${code} reaches the caller as ${refusalKind}, code ${refusalCode} (C-36, C-37)`, (t) => {
    const wire = refusedFrame({ reason: 'because', code, retryAfterMs: 250n });
    const message = `broker refused Hello: because (code ${refusalCode}, retry_after_ms=250)`;
    const step = failed('REFUSED', message, {
      refusalCode,
      refusalKind,
      retryAfterMs: 250,
      reason: 'because',
    });
    t.deepEqual(stepAfter(handshake(), wire), step);
    t.deepEqual(stepAfter(adopting(), wire), step, 'a refusal never leads to a handoff wait');
  });
}

test('a refusal with an empty reason is a refusal', (t) => {
  const message = 'broker refused Hello:  (code 0, retry_after_ms=0)';
  t.deepEqual(
    stepAfter(handshake(), refusedFrame({})),
    failed('REFUSED', message, { refusalCode: 0, refusalKind: 'other', retryAfterMs: 0, reason: '' }),
  );
});

test("the broker's range of protocols and its details are not passed on (C-36)", (t) => {
  const step = stepAfter(
    handshake(),
    refusedFrame({ code: 1, daemonMinProtocol: 2, daemonMaxProtocol: 3, details: { path: '/secret' } }),
  );
  if (step.kind !== 'failed') return t.fail(step.kind);
  t.deepEqual(Object.keys(step.failure).toSorted(), [
    'code',
    'endpoint',
    'message',
    'reason',
    'refusalCode',
    'refusalKind',
    'retryAfterMs',
  ]);
  t.false(JSON.stringify(step).includes('secret'));
});

test('even the longest retryAfterMs is a number', (t) => {
  const step = stepAfter(handshake(), refusedFrame({ code: 4, retryAfterMs: 2n ** 64n - 1n }));
  t.like(step, { kind: 'failed', failure: { retryAfterMs: 2 ** 64 } });
});
