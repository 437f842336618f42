import test from '../helpers/sanitary.js';
import { fuzzExchanges } from './exchange-property.js';
import { seedFromEnvironment, SEED_VARIABLE } from '../helpers/seed.js';

/** `npm run test:hostile` sends millions. */
const FRAMES = 15_000;
const seed = seedFromEnvironment();

test(`G-04: ${FRAMES} hostile frames end as the protocol says, with the right code and not a byte lost`, (t) => {
  t.log(`seed ${seed}; set ${SEED_VARIABLE} to run it again`);
  const { frames, endings } = fuzzExchanges(FRAMES, seed);
  t.true(frames >= FRAMES);
  // A run that never gets past the first check would show nothing.
  for (const ending of [
    'adopt',
    'reconnect',
    'answer',
    'REFUSED',
    'BACKEND_CONNECT',
    'DECODE_FRAME',
    'DECODE_HELLO_REPLY',
    'DECODE_ADMIN_REPLY',
    'FRAME_TOO_LARGE',
  ]) {
    t.true((endings.get(ending) ?? 0) > 0, ending);
  }
});
