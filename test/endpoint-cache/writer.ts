/**
 * A process that works on a shared file until it is told to stop or killed: `node writer.js FILE NAME
 * ROUNDS`. Each round sets an endpoint of its own and one that all share, and forgets the own one of the
 * round before. Says on its standard output when it began.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { systemClock } from '../../src/clock.js';
import { EndpointCache } from '../../src/endpoint-cache/endpoint-cache.js';
import { EndpointFile } from '../../src/endpoint-cache/endpoint-file.js';
import { endpointOf, keyOf } from './names.js';

const [file = '', name = '', rounds = '0'] = process.argv.slice(2);

const max = 1_000;
const store = new EndpointFile(file, max, systemClock);
const cache = new EndpointCache({ max, ttlMs: 0 }, systemClock, store);
for (let round = 0; round < Number(rounds); round++) {
  cache.set(keyOf(`${name}-${round}`), endpointOf(`${name}-${round}`));
  cache.set(keyOf('shared'), endpointOf(`${name}-${round}`));
  if (round > 0) cache.invalidate(keyOf(`${name}-${round - 1}`), endpointOf(`${name}-${round - 1}`));
  store.flush();
  if (round === 0) process.stdout.write('working\n');
  await turn();
}
