/** One field as it lies in an encoded message: its number, its wire type and the bytes of its value. */
export interface EncodedField {
  readonly number: number;
  readonly wireType: number;
  readonly value: Uint8Array;
}

/**
 * Takes a valid encoded message apart without knowing its definition: an independent look at what an encoder
 * wrote. Knows varints and length-delimited fields, the only ones the protocol uses.
 */
export function encodedFields(message: Uint8Array): EncodedField[] {
  const fields: EncodedField[] = [];
  let position = 0;
  const varint = (): number => {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = message[position++] ?? 0;
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
      if (byte < 0x80) return value;
    }
  };
  while (position < message.length) {
    const tag = varint();
    const wireType = tag % 8;
    let start = position;
    if (wireType === 0) varint();
    else if (wireType === 2) {
      const length = varint();
      start = position;
      position += length;
    } else throw new Error(`unexpected wire type ${wireType}`);
    fields.push({ number: Math.floor(tag / 8), wireType, value: message.subarray(start, position) });
  }
  return fields;
}
