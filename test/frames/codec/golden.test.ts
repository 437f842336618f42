import test from '../../helpers/sanitary.js';
import { uint64 } from '../../../src/frames/codec/frame-view.js';
import { goldenRequests, goldenSessions } from '../../wire/golden-sessions.js';
import { fromHex, toHex } from '../../wire/hex.js';
import { decoded, encoded, plain } from './kit.js';

for (const golden of goldenRequests) {
  const common = {
    envelopeVersion: 1,
    payloadProtocol: goldenSessions.protocol,
    payload: golden.payload,
    requestId: uint64(golden.requestId),
    payloadEncoding: 0,
    traceparent: golden.traceparent,
    tracestate: golden.tracestate,
  };
  const request = { ...common, kind: 0, deadlineUnixMs: uint64(golden.deadlineUnixMs) };
  const response = { ...common, kind: 1, deadlineUnixMs: 0 };

  test(`a request with ${golden.name} has the bytes of the Rust crate (S-44, S-58)`, (t) => {
    t.is(toHex(encoded(request)), toHex(golden.request));
    t.deepEqual(decoded(golden.request).map(plain), [request]);
  });

  test(`the answer to a request with ${golden.name} has the bytes of the Rust crate (S-56, S-73)`, (t) => {
    t.is(toHex(encoded(response)), toHex(golden.response));
    t.deepEqual(decoded(golden.response).map(plain), [response]);
  });
}

for (const { name, receivedHex } of goldenSessions.mux) {
  test(`the mux's answer to ${name} is read and has our encoding (S-67, S-73)`, (t) => {
    const wire = fromHex(receivedHex);
    t.is(toHex(encoded(...decoded(wire))), receivedHex);
    const bytes = Array.from(wire, (byte) => Uint8Array.of(byte));
    t.deepEqual(decoded(...bytes).map(plain), decoded(wire).map(plain));
  });
}

// What a client must notice, whether it ends the connection or drops the frame, is for the session to decide.
const UNREADABLE = new Set(['a body that is no Frame', 'first byte 2', 'a length above the limit']);

for (const { name, answerHex, ends } of goldenSessions.answers) {
  test(`an answer with ${name} ${UNREADABLE.has(name) ? 'fails the reader' : 'is readable'} (S-47)`, (t) => {
    const read = (): number => decoded(fromHex(answerHex)).length;
    if (UNREADABLE.has(name)) t.throws(read);
    else if (ends) t.is(read(), 0);
    else t.true(read() > 0);
  });
}
