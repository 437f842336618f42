import { Socket } from 'node:net';
import { BrokerPool } from '../../src/index.js';
import { learnHandleSymbol } from '../../src/os/node-internals.js';
import test from '../helpers/sanitary.js';
import { startSystem } from '../helpers/system.js';

test('this Node keeps the handle of a socket under a symbol', (t) => {
  t.is(learnHandleSymbol()?.description, 'kHandle');
});

test('the accessor for the handle of a leased socket is its own, and reads and writes what that of Node does', async (t) => {
  const pool = new BrokerPool((await startSystem(t)).target);
  t.teardown(() => pool.destroy());
  const { socket } = await pool.acquire();
  t.true(Object.hasOwn(Object.getPrototypeOf(socket), '_handle'));
  const handle: unknown = Reflect.get(socket, '_handle');
  t.is(typeof handle, 'object');
  t.is(Reflect.get(Socket.prototype, '_handle', socket), handle);
  Reflect.set(socket, '_handle', null);
  t.is(Reflect.get(socket, '_handle'), null);
  t.is(Reflect.get(Socket.prototype, '_handle', socket), null);
  Reflect.set(socket, '_handle', handle);
  t.false(Object.hasOwn(socket, '_handle'));
});
