import { addressOf, encodeAddress } from '../../src/os/socket.js';
import test from '../helpers/sanitary.js';

test('the address of an endpoint is remembered', (t) => {
  const endpoint = '/run/user/1000/backend.sock';
  t.is(addressOf(endpoint), addressOf(endpoint));
  t.deepEqual(addressOf(endpoint), encodeAddress(endpoint));
});

test('what no system takes for an address is not remembered', (t) => {
  const endpoint = `/${'x'.repeat(1_000)}`;
  t.not(addressOf(endpoint), addressOf(endpoint));
  t.deepEqual(addressOf(endpoint), addressOf(endpoint));
});
