/**
 * The long run of the hostile frames: `npm run test:hostile -- [--frames N] [--seed S]`. Exchanges in process; one stream in a hundred
 * over a real socket through each driver. Prints the seed first, and ends with 1 if a stream did not end as it must.
 */
import { parseArgs } from 'node:util';
import { bytesInUse } from '../helpers/heap.js';
import { DRIVERS } from '../negotiation/drivers-kit.js';
import { fuzzDriver } from './driver-property.js';
import { fuzzExchanges, type FuzzTally } from './exchange-property.js';
import { seedFromEnvironment } from './seed.js';

const BATCH = 50_000;
const FRAMES_PER_CONNECTION = 100;

const { values } = parseArgs({ options: { frames: { type: 'string', default: '1000000' }, seed: { type: 'string' } } });
const frames = Number(values.frames);
const seed = values.seed === undefined ? seedFromEnvironment() : Number(values.seed);

console.log(`${frames} frames, seed ${seed}`);
fuzzExchanges(1_000, seed);
const bytesBefore = bytesInUse();
const startedMs = performance.now();
const tally: FuzzTally = { frames: 0, endings: new Map() };
for (let batch = 0; tally.frames < frames; batch++) {
  fuzzExchanges(Math.min(BATCH, frames - tally.frames), seed + batch, tally);
  console.log(`${tally.frames} frames, ${rate(tally.frames, startedMs)} frames/s`);
}
console.log(Object.fromEntries([...tally.endings].toSorted(([, a], [, b]) => b - a)));
console.log(`memory in use grew by ${((bytesInUse() - bytesBefore) / 1024).toFixed(0)} KiB`);

const connections = Math.ceil(frames / FRAMES_PER_CONNECTION);
for (const [name, create] of DRIVERS) {
  const driverStartedMs = performance.now();
  await fuzzDriver(create, connections, seed);
  console.log(`${name}: ${connections} hostile connections, ${rate(connections, driverStartedMs)} a second`);
}

function rate(count: number, sinceMs: number): string {
  return ((count * 1_000) / (performance.now() - sinceMs)).toFixed(0);
}
