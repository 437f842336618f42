import { addressOf, encodeAddress } from '../../src/os/socket.js';
import test from '../helpers/sanitary.js';

test('addressOf remembers an address', (t) => {
  const endpoint = '/run/user/1000/backend.sock';
  t.is(addressOf(endpoint), addressOf(endpoint));
  t.deepEqual(addressOf(endpoint), encodeAddress(endpoint));
});

test('addressOf does not remember an address that is too long for every system', (t) => {
  const endpoint = `/${'x'.repeat(1_000)}`;
  t.not(addressOf(endpoint), addressOf(endpoint));
  t.deepEqual(addressOf(endpoint), addressOf(endpoint));
});
