import test from '../../helpers/sanitary.js';
import { givenSeed, SEED_VARIABLE, seedFromEnvironment } from '../../helpers/seed.js';
import { PoolModel } from './pool-model.js';

/** A failed run is repeated alone. The faults of planted-faults.test.js take fewer runs than these. */
const RUNS = givenSeed() === undefined ? 12 : 1;
const STEPS = 400;
const firstSeed = seedFromEnvironment();

test(`through ${RUNS * STEPS} random steps every rule of the pool holds`, async (t) => {
  for (let seed = firstSeed; seed < firstSeed + RUNS; seed++)
    await t.notThrowsAsync(new PoolModel(seed).run(STEPS), `${SEED_VARIABLE}=${seed} repeats it`);
});
