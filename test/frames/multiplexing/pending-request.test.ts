import { PendingRequest } from '../../../src/frames/multiplexing/pending-request.js';
import test from '../../helpers/sanitary.js';

test('a request stays large when the memory of its payload is transferred', (t) => {
  const payload = new Uint8Array(300 * 1024);
  const content = { payload, payloadProtocol: 0xf001, traceparent: '', tracestate: '', isIdempotent: false };
  const request = new PendingRequest<object>(content, 0, () => {});
  structuredClone(payload.buffer, { transfer: [payload.buffer] });
  t.is(payload.length, 0);
  t.true(request.isLarge);
});
