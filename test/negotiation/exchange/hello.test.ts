import { encodeHelloFrame } from '../../../src/negotiation/exchange/hello.js';
import { LIBRARY_VERSION } from '../../../src/version.js';
import { FrameDecoder } from '../../../src/wire/frame.js';
import { decodeFrame, decodeHello, type Frame, type Hello } from '../../../src/wire/messages.js';
import test from '../../helpers/sanitary.js';

function unpack(wire: Uint8Array): { frame: Frame; hello: Hello } {
  const decoder = new FrameDecoder();
  decoder.push(wire);
  const body = decoder.read();
  if (body === undefined || decoder.residue().length > 0) throw new Error('not one frame');
  const frame = decodeFrame(body);
  return { frame, hello: decodeHello(frame.payload) };
}

const none = new Uint8Array(0);

test("the Hello of a client that adopts equals a Rust client's but for the library's name (C-01, C-02)", (t) => {
  t.deepEqual(unpack(encodeHelloFrame({ serviceName: 'zccache', wantedVersion: '1.2.3' }, true)).hello, {
    clientMinProtocol: 1,
    clientMaxProtocol: 1,
    serviceName: 'zccache',
    wantedVersion: '1.2.3',
    clientVersion: '',
    clientCapabilities: 1n,
    authToken: none,
    requestId: 'hello',
    connectionId: 0n,
    peerPid: process.pid,
    clientLibName: 'broker-pool',
    clientLibVersion: LIBRARY_VERSION,
    peerAttestationNonce: none,
    capabilityToken: none,
    clientKeepaliveSecs: 0n,
  });
});

test('the Hello of a client that does not adopt differs by the missing capability only (C-03)', (t) => {
  const identity = { serviceName: 'zccache', wantedVersion: '1.2.3' };
  const claiming = unpack(encodeHelloFrame(identity, true)).hello;
  t.deepEqual(unpack(encodeHelloFrame(identity, false)).hello, { ...claiming, clientCapabilities: 0n });
});

test('its envelope is a plain control-plane request with id 1 (C-04)', (t) => {
  const { frame } = unpack(encodeHelloFrame({ serviceName: 'a', wantedVersion: '0.0.1' }, false));
  const { payload: _payload, ...envelope } = frame;
  t.deepEqual(envelope, {
    envelopeVersion: 1,
    kind: 0,
    payloadProtocol: 0,
    requestId: 1n,
    payloadEncoding: 0,
    deadlineUnixMs: 0n,
    traceparent: '',
    tracestate: '',
  });
});

test("a caller may set its version, its library's name and version, and a keepalive", (t) => {
  const chosen = {
    clientVersion: '9.9.9',
    clientLibName: 'mine',
    clientLibVersion: '3',
    clientKeepaliveSecs: 45,
  };
  const { hello } = unpack(encodeHelloFrame({ serviceName: 'a', wantedVersion: '0.0.1', ...chosen }, false));
  t.like(hello, { ...chosen, clientKeepaliveSecs: 45n });
});

test('a Hello is one buffer of its own, fit to be posted to a thread and sent with one call (V-21)', (t) => {
  const wire = encodeHelloFrame({ serviceName: 'a', wantedVersion: '0.0.1' }, false);
  t.is(wire.byteOffset, 0);
  t.is(wire.buffer.byteLength, wire.byteLength);
});

test('a Hello that is wanted again is the same buffer, and each field that differs makes another one', (t) => {
  const identity = {
    serviceName: 'a',
    wantedVersion: '0.0.1',
    clientVersion: '1',
    clientLibName: 'mine',
    clientLibVersion: '3',
    clientKeepaliveSecs: 1,
  };
  const wire = encodeHelloFrame(identity, false);
  t.is(encodeHelloFrame({ ...identity }, false), wire);
  for (const other of [
    { serviceName: 'b' },
    { wantedVersion: '0.0.2' },
    { clientVersion: '2' },
    { clientLibName: 'other' },
    { clientLibVersion: '4' },
    { clientKeepaliveSecs: 2 },
  ]) {
    t.deepEqual(encodeHelloFrame(identity, false), wire);
    t.notDeepEqual(encodeHelloFrame({ ...identity, ...other }, false), wire, JSON.stringify(other));
  }
  t.deepEqual(encodeHelloFrame(identity, false), wire);
  t.notDeepEqual(encodeHelloFrame(identity, true), wire);
});
