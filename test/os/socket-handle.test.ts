import { Socket } from 'node:net';
import { isOwnedBy, learnHandle, type StreamHandle } from '../../src/os/socket-handle.js';
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
