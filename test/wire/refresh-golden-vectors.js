// Writes golden-vectors.json, one vector a line, from what the interop program prints:
//   test/interop/rust/target/release/broker-pool-interop vectors | node test/wire/refresh-golden-vectors.js
// Derived names are tested elsewhere, and frames of more than 1 KiB would only make the file large.
import { readFileSync, writeFileSync } from 'node:fs';

const { crate, messages, frames } = JSON.parse(readFileSync(0, 'utf8'));
const lines = (vectors) => vectors.map((vector) => `    ${JSON.stringify(vector)}`).join(',\n');
const json = `{
  "crate": ${JSON.stringify(crate)},
  "messages": [
${lines(messages)}
  ],
  "frames": [
${lines(frames.filter(({ wireHex }) => wireHex.length <= 2048))}
  ]
}
`;
writeFileSync(new URL('golden-vectors.json', import.meta.url), json);
