// Writes golden-sessions.json from what the interop program prints; format it afterwards:
//   test/interop/rust/target/release/broker-pool-interop session-vectors | node test/wire/refresh-golden-sessions.js
import { readFileSync, writeFileSync } from 'node:fs';

const printed = JSON.parse(readFileSync(0, 'utf8'));
writeFileSync(new URL('golden-sessions.json', import.meta.url), `${JSON.stringify(printed, undefined, 2)}\n`);
