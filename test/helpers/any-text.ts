import * as fc from 'fast-check';

/** Surrogate halves are no text. */
const codePoint = fc.oneof(fc.integer({ min: 0, max: 0xd7ff }), fc.integer({ min: 0xe000, max: 0x10ffff }));

/**
 * Texts of at most so many code points, of all planes. The unit `binary` of `fc.string` gives the same, and takes
 * a second of processor time and a map of 1.1 million characters in each process.
 */
export function anyText(maxLength: number): fc.Arbitrary<string> {
  const points = fc.array(codePoint, { maxLength });
  return fc.oneof(
    fc.string({ maxLength }),
    points.map((list) => String.fromCodePoint(...list)),
  );
}
