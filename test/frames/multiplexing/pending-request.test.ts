import { PendingRequest } from '../../../src/frames/multiplexing/pending-request.js';
import test from '../../helpers/sanitary.js';

test('a request stays large when the memory of its payload is transferred', (t) => {
  const payload = new Uint8Array(300 * 1024);
  const request = new PendingRequest<object>(payload, 0xf001, Infinity, () => {});
  structuredClone(payload.buffer, { transfer: [payload.buffer] });
  t.is(payload.length, 0);
  t.true(request.isLarge);
});
