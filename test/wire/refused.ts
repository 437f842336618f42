/** A Refused by itself: peers send it inside a HelloReply alone, so it is cut out of one, and put into one. */
import { decodeHelloReply, encodeHelloReply, type Refused } from '../../src/wire/messages.js';
import { encodedFields } from './protobuf-bytes.js';

/** The tag of the field that holds it. */
const TAG = 0x12;

export function encodeRefused(refused: Partial<Refused>): Uint8Array {
  const [field] = encodedFields(encodeHelloReply({ result: { kind: 'refused', refused } }));
  if (field === undefined) throw new Error('the reply holds nothing');
  return field.value.slice();
}

export function decodeRefused(body: Uint8Array): Refused {
  const prefix = [TAG];
  let { length } = body;
  for (; length > 0x7f; length >>>= 7) prefix.push((length & 0x7f) | 0x80);
  const { result } = decodeHelloReply(Buffer.concat([Uint8Array.of(...prefix, length), body]));
  if (result?.kind !== 'refused') throw new Error('it is another result');
  return result.refused;
}
