import { errno } from '../../src/os/errno.js';
import type { PollCalls } from '../../src/os/native.js';
import { attachPoller } from '../../src/os/poller.js';
import type { PollerKind } from '../../src/os/poller-kinds.js';
import test from '../helpers/sanitary.js';

const EBADF = -(errno['EBADF'] ?? 0);
const WAKE = 7;

/** A system that refuses every wait; all other calls succeed and do nothing. */
const calls: PollCalls = {
  pipe: () => 0,
  write: () => 0,
  read: () => 0,
  epollControl: () => 0,
  epollWait: () => EBADF,
  kevent: (_queue, _changes, changeCount) => (changeCount > 0 ? 0 : EBADF),
  poll: () => EBADF,
};

for (const [kind, syscall] of [
  ['epoll', 'epoll_wait'],
  ['kqueue', 'kevent'],
  ['poll', 'poll'],
] as const satisfies readonly (readonly [PollerKind, string])[]) {
  test(`${kind}: a failed wait throws`, (t) => {
    const poller = attachPoller(calls, { kind, queue: 6, wakeRead: WAKE, wakeWrite: WAKE });
    t.throws(() => poller.wait(1_000, () => t.fail('nothing is ready')), { message: `${syscall} EBADF` });
  });
}
