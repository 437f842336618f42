import { Socket } from 'node:net';
import { getSystemErrorMap } from 'node:util';
import {
  descriptorOf,
  handleOf,
  holdReading,
  isOwnedBy,
  learnHandle,
  startReading,
  stopReading,
} from '../../src/os/socket-handle.js';
import type { StreamHandle } from '../../src/os/node-internals.js';
import test from '../helpers/sanitary.js';

const OWNER = Symbol('owner');

/** Makes handles of one class, as Node makes them. */
function handleClass() {
  const prototype = { fd: 3, readStart: () => 0, readStop: () => {}, close: () => {} };
  return (socket: Socket): StreamHandle => {
    const handle: StreamHandle = Object.create(prototype, {
      reading: { value: false, writable: true, enumerable: true, configurable: true },
    });
    Reflect.set(handle, OWNER, socket);
    return handle;
  };
}

/** A handle of a new class, from which nothing has been learned. */
function newHandle() {
  const socket = new Socket();
  return { socket, handle: handleClass()(socket) };
}

/** A handle that was learned from when it was new. */
function learnedHandle() {
  const { socket, handle } = newHandle();
  learnHandle(handle, socket);
  return { socket, handle };
}

test.before('the first handle shows where handles keep their socket', (t) => {
  const { socket, handle } = learnedHandle();
  t.true(isOwnedBy(handle, socket));
});

test('a handle belongs to the socket that was made over it, and to no other', (t) => {
  const { socket, handle } = learnedHandle();
  t.true(isOwnedBy(handle, socket));
  t.false(isOwnedBy(handle, new Socket()));
  Reflect.set(handle, OWNER, new Socket());
  t.false(isOwnedBy(handle, socket));
});

test('handles of each class that was learned are known, those of another class are not', (t) => {
  const [makeFirst, makeSecond] = [handleClass(), handleClass()];
  for (const make of [makeFirst, makeSecond]) {
    const socket = new Socket();
    learnHandle(make(socket), socket);
  }
  for (const make of [makeFirst, makeSecond]) {
    const socket = new Socket();
    t.true(isOwnedBy(make(socket), socket));
  }
  const { socket, handle } = newHandle();
  t.false(isOwnedBy(handle, socket));
});

test('a handle without a prototype is learned without an error, and is not known', (t) => {
  const { socket, handle } = newHandle();
  Object.setPrototypeOf(handle, null);
  learnHandle(handle, socket);
  t.false(isOwnedBy(handle, socket));
});

const CHANGES: Readonly<Record<string, (handle: StreamHandle) => unknown>> = {
  'an enumerable member': (handle) => Object.assign(handle, { mark: 1 }),
  'a method of its own that is not enumerable': (handle) =>
    Object.defineProperty(handle, 'readStop', { value: () => {} }),
  'an accessor in place of reading': (handle) =>
    Object.defineProperty(handle, 'reading', { get: () => true, enumerable: true }),
  'no member reading': (handle) => Reflect.deleteProperty(handle, 'reading'),
  'another prototype': (handle) => Object.setPrototypeOf(handle, { ...Object.getPrototypeOf(handle) }),
  'no more room for members': (handle) => Object.preventExtensions(handle),
};

for (const [title, change] of Object.entries(CHANGES)) {
  test(`a handle with ${title} is not as it was made`, (t) => {
    const { socket, handle } = learnedHandle();
    change(handle);
    t.false(isOwnedBy(handle, socket));
  });
}

/** Every method of a handle that Node's sockets call. */
const METHODS =
  'readStart readStop writeBuffer writev writeUtf8String writeLatin1String writeAsciiString writeUcs2String ' +
  'shutdown close ref unref getAsyncId asyncReset';

for (const name of METHODS.split(' ')) {
  test(`a handle with a hidden ${name} of its own is not as it was made`, (t) => {
    const { socket, handle } = learnedHandle();
    Object.defineProperty(handle, name, { value: () => 0 });
    t.false(isOwnedBy(handle, socket));
  });
}

test('a socket without a handle, or with one of another kind, has no handle and no descriptor here', (t) => {
  const socket = new Socket();
  const { handle } = newHandle();
  const others = [
    undefined,
    null,
    'handle',
    {},
    { ...handle, fd: '3', readStart: () => 0, readStop: () => {} },
    { fd: 3, readStop: () => {} },
    { fd: 3, readStart: () => 0 },
  ];
  for (const other of others) {
    Reflect.set(socket, '_handle', other);
    t.is(handleOf(socket), undefined);
    t.is(descriptorOf(socket), -1);
    t.notThrows(() => holdReading(socket));
  }
  Reflect.set(socket, '_handle', handle);
  t.is(handleOf(socket), handle);
  t.is(descriptorOf(socket), 3);
  Reflect.set(socket, '_handle', null);
});

/** A handle that counts its calls. */
function countingHandle(startResult: number) {
  const called: string[] = [];
  const handle: StreamHandle = {
    fd: 3,
    reading: false,
    readStart: () => {
      called.push('readStart');
      return startResult;
    },
    readStop: () => called.push('readStop'),
    close: () => called.push('close'),
  };
  return { handle, called };
}

test('reading has started where the handle starts it or reads already, and nowhere else', (t) => {
  const numberOf = (name: string): number =>
    [...getSystemErrorMap()].find(([, [known]]) => known === name)?.[0] ?? 0;
  for (const [result, isStarted] of [
    [0, true],
    [numberOf('EALREADY'), true],
    [numberOf('EBADF'), false],
    [numberOf('ENOTCONN'), false],
  ] as const) {
    const { handle, called } = countingHandle(result);
    t.is(startReading(handle), isStarted, String(result));
    t.true(handle.reading);
    t.deepEqual(called, ['readStart']);
  }
});

test('a socket that is held neither reads nor starts to read when a reader asks for bytes', (t) => {
  const { handle, called } = countingHandle(0);
  startReading(handle);
  stopReading(handle);
  t.false(handle.reading);
  const socket = new Socket();
  Reflect.set(socket, '_handle', handle);
  holdReading(socket);
  socket.on('data', () => {});
  socket.read(0);
  t.deepEqual(called, ['readStart', 'readStop', 'readStop']);
  Reflect.set(socket, '_handle', null);
});
