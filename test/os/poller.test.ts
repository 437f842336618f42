import { errno } from '../../src/os/errno.js';
import { loadNative, type PollCalls, type SystemCalls } from '../../src/os/native.js';
import {
  attachPoller,
  closePoller,
  openPoller,
  preferredPoller,
  sharedWatch,
  wakePoller,
} from '../../src/os/poller.js';
import type { PollerKind } from '../../src/os/poller-kinds.js';
import test from '../helpers/sanitary.js';

const EBADF = -(errno['EBADF'] ?? 0);
const EMFILE = -(errno['EMFILE'] ?? 0);
const WAKE = 7;
const QUEUE = 6;
/** As in the C headers of each system. */
const EVFILT_READ = -1;
const EV_ADD = 1;
const EV_DELETE = 2;
const POLLIN = 1;

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

const KINDS = [
  ['epoll', 'epoll_wait'],
  ['kqueue', 'kevent'],
  ['poll', 'poll'],
] as const satisfies readonly (readonly [PollerKind, string])[];

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

for (const [kind, syscall] of KINDS) {
  test(`${kind}: a failed wait throws`, (t) => {
    const poller = attachPoller(calls, { kind, queue: QUEUE, wakeRead: WAKE, wakeWrite: WAKE });
    t.throws(() => poller.wait(1_000, () => t.fail('nothing is ready')), { message: `${syscall} EBADF` });
  });

  test(`${kind}: a wait takes whole milliseconds, rounded up, no more than an int holds`, (t) => {
    const waits: (number | null)[] = [];
    const record = (timeoutMs: number | null): number => {
      waits.push(timeoutMs);
      return 0;
    };
    const recording: PollCalls = {
      ...calls,
      epollWait: (_queue, _events, _capacity, timeoutMs) => record(timeoutMs),
      poll: (_entries, _count, timeoutMs) => record(timeoutMs),
      kevent: (_queue, _changes, changeCount, _events, _capacity, timeout) => {
        if (changeCount > 0) return 0;
        if (timeout === null) return record(-1);
        const [seconds, nanoseconds] = [0, 8].map((at) => Number(viewOf(timeout).getBigInt64(at, true)));
        return record((seconds ?? 0) * 1_000 + (nanoseconds ?? 0) / 1_000_000);
      },
    };
    const poller = attachPoller(recording, { kind, queue: QUEUE, wakeRead: WAKE, wakeWrite: WAKE });
    for (const timeoutMs of [0, -5, 0.2, 10, 1_999.5, 2 ** 40, Infinity]) poller.wait(timeoutMs, () => {});
    t.deepEqual(waits, [0, 0, 1, 10, 2_000, 2 ** 31 - 1, -1]);
  });
}

/** A kqueue whose descriptors are all readable. It checks what it is given by the layout of macOS. */
class FakeQueue {
  readonly watched = new Set<number>();
  wakeUps = 0;

  readonly calls: PollCalls = {
    ...calls,
    read: (descriptor) => {
      if (descriptor === WAKE) this.wakeUps += 1;
      return 8;
    },
    kevent: (queue, changes, changeCount, events, capacity) => {
      if (queue !== QUEUE) return EBADF;
      if (changeCount > 0) return this.#change(viewOf(changes));
      const ready = [...this.watched].slice(0, capacity);
      for (const [index, descriptor] of ready.entries())
        viewOf(events).setBigUint64(index * 32, BigInt(descriptor), true);
      return ready.length;
    },
  };

  #change(change: DataView): number {
    const descriptor = Number(change.getBigUint64(0, true));
    if (change.getInt16(8, true) !== EVFILT_READ) return EBADF;
    if (change.getUint16(10, true) === EV_ADD) this.watched.add(descriptor);
    if (change.getUint16(10, true) === EV_DELETE) this.watched.delete(descriptor);
    return 0;
  }
}

test('kqueue: a wait reports the descriptors on watch, and consumes wake-ups', (t) => {
  const kernel = new FakeQueue();
  const handles = { kind: 'kqueue', queue: QUEUE, wakeRead: WAKE, wakeWrite: 8 } as const;
  const poller = attachPoller(kernel.calls, handles);
  const watch = sharedWatch(kernel.calls, handles);
  t.is(poller.add(20), 0);
  t.is(watch?.add(21), 0);
  poller.add(22);
  poller.remove(22);
  const ready: number[] = [];
  poller.wait(0, (descriptor) => ready.push(descriptor));
  t.deepEqual(ready, [20, 21]);
  t.is(kernel.wakeUps, 1);
});

test('poll: a wait reports each of many descriptors that have something, and no other', (t) => {
  const polled: PollCalls = {
    ...calls,
    poll: (entries, count) => {
      const list = viewOf(entries);
      for (let at = 0; at < count * 8; at += 8) {
        if (list.getUint16(at + 4, true) !== POLLIN) return EBADF;
        list.setUint16(at + 6, list.getInt32(at, true) % 2 === 0 ? POLLIN : 0, true);
      }
      return count / 2;
    },
  };
  const handles = { kind: 'poll', queue: -1, wakeRead: WAKE, wakeWrite: 8 } as const;
  t.is(sharedWatch(polled, handles), undefined);
  const poller = attachPoller(polled, handles);
  const descriptors = Array.from({ length: 300 }, (_, index) => 10 + index);
  for (const descriptor of descriptors) poller.add(descriptor);
  poller.remove(12);
  const ready: number[] = [];
  poller.wait(0, (descriptor) => ready.push(descriptor));
  t.deepEqual(
    ready,
    descriptors.filter((descriptor) => descriptor % 2 === 0 && descriptor !== 12),
  );
});

const real = loadNative();

for (const kind of real === undefined ? [] : ([preferredPoller(real.polling), 'poll'] as const)) {
  test(`${kind}, of this system: one wait reports each of several descriptors, and a wake-up ends it`, (t) => {
    if (real === undefined) return t.fail();
    const { system, polling } = real;
    const handles = openPoller(real, kind);
    if ('syscall' in handles) return t.fail(handles.syscall);
    const poller = attachPoller(polling, handles);
    const pipes = Array.from({ length: 5 }, () => {
      const ends = new Int32Array(2);
      polling.pipe(ends);
      const [readable = -1, writable = -1] = ends;
      t.is(poller.add(readable), 0);
      return { readable, writable };
    });
    const written = pipes.filter((_, index) => index % 2 === 0);
    for (const { writable } of written) polling.write(writable, Uint8Array.of(1));
    const ready: number[] = [];
    poller.wait(10_000, (descriptor) => ready.push(descriptor));
    t.deepEqual(new Set(ready), new Set(written.map(({ readable }) => readable)));
    for (const { readable } of written) poller.remove(readable);
    wakePoller(polling, handles);
    poller.wait(Infinity, () => t.fail('nothing else is ready'));
    poller.wait(0, () => t.fail('the wake-up is consumed'));
    for (const { readable, writable } of pipes) {
      system.close(readable);
      system.close(writable);
    }
    closePoller(system, handles);
  });
}

/** A system that opens the descriptors of a poller, or fails to, and counts what is closed. */
function opening(polling: Partial<PollCalls>) {
  const closed: number[] = [];
  const unused = (): number => 0;
  const system: SystemCalls = {
    openSocket: unused,
    connect: unused,
    send: unused,
    receive: unused,
    close: (descriptor) => closed.push(descriptor),
  };
  const pipe = (ends: Int32Array): number => {
    ends.set([30, 31]);
    return 0;
  };
  return { closed, native: { system, polling: { ...calls, pipe, ...polling } } };
}

test('a poller takes the queue of its platform, and an eventfd in place of a pipe where there is one', (t) => {
  const linux = opening({ eventfd: () => 40, epollCreate: () => 41 });
  t.is(preferredPoller(linux.native.polling), 'epoll');
  t.deepEqual(openPoller(linux.native), { kind: 'epoll', queue: 41, wakeRead: 40, wakeWrite: 40 });
  const mac = opening({ kqueue: () => 42 });
  t.is(preferredPoller(mac.native.polling), 'kqueue');
  t.deepEqual(openPoller(mac.native), { kind: 'kqueue', queue: 42, wakeRead: 30, wakeWrite: 31 });
  const other = opening({});
  t.is(preferredPoller(other.native.polling), 'poll');
  const handles = openPoller(other.native);
  t.deepEqual(handles, { kind: 'poll', queue: -1, wakeRead: 30, wakeWrite: 31 });
});

test('a poller that cannot be opened names the call that failed, and leaves no descriptor open', (t) => {
  const cases: readonly (readonly [string, Partial<PollCalls>, PollerKind, readonly number[]])[] = [
    ['eventfd', { eventfd: () => EMFILE }, 'epoll', []],
    ['pipe', { pipe: () => EMFILE }, 'poll', []],
    ['epoll_create1', { eventfd: () => 40, epollCreate: () => EMFILE }, 'epoll', [40]],
    ['kqueue', { kqueue: () => EMFILE }, 'kqueue', [30, 31]],
  ];
  for (const [syscall, polling, kind, left] of cases) {
    const { native, closed } = opening(polling);
    t.deepEqual(openPoller(native, kind), { syscall, result: EMFILE });
    t.deepEqual(closed, left, syscall);
  }
});

test('a closed poller has closed each of its descriptors once', (t) => {
  const { native, closed } = opening({});
  closePoller(native.system, { kind: 'epoll', queue: 41, wakeRead: 40, wakeWrite: 40 });
  closePoller(native.system, { kind: 'poll', queue: -1, wakeRead: 30, wakeWrite: 31 });
  t.deepEqual(closed, [41, 40, 30, 31]);
});

test('a wake-up writes eight bytes that are no zero, to the end for writing', (t) => {
  const written: (readonly [number, number, bigint])[] = [];
  const write = (descriptor: number, bytes: Uint8Array): number =>
    written.push([descriptor, bytes.length, viewOf(bytes).getBigUint64(0)]);
  wakePoller({ ...calls, write }, { kind: 'poll', queue: -1, wakeRead: 30, wakeWrite: 31 });
  t.like(written, { length: 1, 0: { 0: 31, 1: 8 } });
  t.not(written[0]?.[2], 0n);
});
