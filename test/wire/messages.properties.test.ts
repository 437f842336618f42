import { deepStrictEqual, ok, throws } from 'node:assert/strict';
import test from '../helpers/sanitary.js';
import * as fc from 'fast-check';
import { BrokerPoolError } from '../../src/errors.js';
import { encodeFrame } from '../../src/wire/frame.js';
import { encodeFrameBody, encodeFrameToWire, type Frame } from '../../src/wire/messages.js';
import { ALL_MESSAGES } from './all-messages.js';
import { encodedFields } from './protobuf-bytes.js';

for (const { name, encode, decode, arbitrary, decodeErrorCode } of ALL_MESSAGES) {
  test(`${name}: an encoded message decodes to the same message (W-42)`, (t) => {
    t.notThrows(() => {
      fc.assert(fc.property(arbitrary, (message) => deepStrictEqual(decode(encode(message)), message)));
    });
  });

  test(`${name}: the encoder writes fields in ascending order and omits defaults (W-20, W-21)`, (t) => {
    t.notThrows(() => {
      fc.assert(
        fc.property(arbitrary, (message) => {
          let previous = 0;
          for (const { number, wireType, value } of encodedFields(encode(message))) {
            ok(number >= previous);
            const isDefault = wireType === 0 ? value.every((byte) => byte === 0) : value.length === 0;
            ok(!isDefault || hasPresence(name, number));
            previous = number;
          }
        }),
      );
    });
  });

  test(`${name}: a missing field stands for its default`, (t) => {
    t.deepEqual(decode(encode({ result: undefined })), decode(new Uint8Array(0)));
    t.is(encode({ result: undefined }).length, 0);
  });

  test(`${name}: the decoder skips unknown fields at both ends (W-22)`, (t) => {
    const unknown = Uint8Array.of(0xa8, 0x01, 0x01, 0xb2, 0x01, 0x02, 0xff, 0xff);
    t.notThrows(() => {
      fc.assert(
        fc.property(arbitrary, (message) => {
          const encoded = encode(message);
          deepStrictEqual(decode(Buffer.concat([encoded, unknown])), message);
          deepStrictEqual(decode(Buffer.concat([unknown, encoded])), message);
        }),
      );
    });
  });

  test(`${name}: arbitrary bytes decode or fail with ${decodeErrorCode} and its cause`, (t) => {
    t.notThrows(() => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 64 }), (body) => {
          try {
            decode(body);
          } catch (error) {
            ok(
              error instanceof BrokerPoolError &&
                error.code === decodeErrorCode &&
                error.cause instanceof Error,
            );
          }
        }),
      );
    });
  });

  test(`${name}: a message cut short inside a field fails`, (t) => {
    t.notThrows(() => {
      fc.assert(
        fc.property(arbitrary, fc.nat(), (message, seed) => {
          const encoded = encode(message);
          fc.pre(encoded.length > 0);
          const cut = seed % encoded.length;
          const ends = new Set([0]);
          for (const { value } of encodedFields(encoded)) ends.add(value.byteOffset + value.length);
          if (!ends.has(cut)) throws(() => decode(encoded.subarray(0, cut)), { code: decodeErrorCode });
        }),
      );
    });
  });
}

/** Fields that are written even with an empty value: lists, maps, messages, and `idleTimeoutSecs`. */
function hasPresence(name: string, number: number): boolean {
  const fields: Readonly<Record<string, readonly number[]>> = {
    DaemonProcess: [4, 7],
    HelloReply: [1, 2],
    Negotiated: [4],
    Refused: [5],
    ServiceDefinition: [7, 8],
  };
  return fields[name]?.includes(number) ?? false;
}

test('a Frame goes straight into one wire buffer, the same as its body framed (W-01)', (t) => {
  const frame: fc.Arbitrary<Partial<Frame>> = fc.record(
    {
      envelopeVersion: fc.nat(),
      payload: fc.uint8Array({ maxLength: 20_000 }),
      requestId: fc.bigInt(0n, 2n ** 64n - 1n),
    },
    { requiredKeys: [] },
  );
  t.notThrows(() => {
    fc.assert(
      fc.property(frame, (message) => {
        deepStrictEqual(encodeFrameToWire(message), encodeFrame(encodeFrameBody(message)));
      }),
    );
  });
});
