import test from '../helpers/sanitary.js';
import { u64FromWire } from '../../src/wire/codec.js';

test('the codec accepts an exact 64-bit number in place of a Long, and rejects a rounded one', (t) => {
  // protobufjs does so when another part of the program has switched its support for `long` off.
  t.is(u64FromWire(2 ** 53 - 1), 2n ** 53n - 1n);
  t.throws(() => u64FromWire(2 ** 53), { instanceOf: RangeError });
});
