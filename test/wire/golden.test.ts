import test from '../helpers/sanitary.js';
import {
  encodeFrameToWire,
  encodeHello,
  FrameKind,
  PayloadProtocol,
  PROTOCOL_VERSION,
} from '../../src/wire/messages.js';
import { ALL_MESSAGES, type MessageKind } from './all-messages.js';
import { goldenVectors, messageFromGolden } from './golden.js';
import { fromHex, toHex } from './hex.js';

function kindOf(name: string): MessageKind {
  const kind = ALL_MESSAGES.find((candidate) => candidate.name === name);
  if (kind === undefined) throw new Error(`unknown message ${name}`);
  return kind;
}

function messageOf(name: string, value: object): object {
  return messageFromGolden(value, kindOf(name).decode(new Uint8Array(0)));
}

function helloReplyOf({
  result,
}: {
  result?: { kind: string; negotiated?: object; refused?: object };
}): object {
  const { kind, negotiated, refused } = result ?? {};
  if (negotiated !== undefined) return { result: { kind, negotiated: messageOf('Negotiated', negotiated) } };
  if (refused !== undefined) return { result: { kind, refused: messageOf('Refused', refused) } };
  return { result: undefined };
}

for (const { message: kind, name, value, hex, canonical } of goldenVectors.messages) {
  const { encode, decode } = kindOf(kind);
  const message = kind === 'HelloReply' ? helloReplyOf(value) : messageOf(kind, value);

  test(`${kind}, ${name}: decodes to what the Rust crate encoded (W-42)`, (t) => {
    t.deepEqual(decode(fromHex(hex)), message);
  });

  const expected = canonical ? 'the bytes of the Rust crate (W-42)' : 'an equal message (W-24)';
  test(`${kind}, ${name}: encodes to ${expected}`, (t) => {
    if (canonical) t.is(toHex(encode(message)), hex);
    else t.deepEqual(decode(encode(message)), message);
  });
}

test('every message has golden vectors', (t) => {
  const covered = new Set(goldenVectors.messages.map(({ message }) => message));
  for (const { name } of ALL_MESSAGES) t.true(covered.has(name), name);
});

test('encodeFrameToWire writes a Hello in its Frame as the Rust crate does (W-01)', (t) => {
  const wire = encodeFrameToWire({
    envelopeVersion: PROTOCOL_VERSION,
    kind: FrameKind.REQUEST,
    payloadProtocol: PayloadProtocol.CONTROL,
    payload: encodeHello({ clientMinProtocol: 1, clientMaxProtocol: 1 }),
    requestId: 1n,
  });
  const golden = goldenVectors.frames.filter(({ name }) => name.startsWith('a Frame with a Hello'));
  t.true(golden.length > 0);
  for (const { wireHex } of golden) t.is(toHex(wire), wireHex);
});
