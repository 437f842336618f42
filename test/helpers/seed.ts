/** The variable that sets the seed of every random test: with the seed of a failed run, it fails the same way again. */
export const SEED_VARIABLE = 'BROKER_POOL_TEST_SEED';

/** The seed that the variable sets; `undefined` without a whole number in it. */
export function givenSeed(): number | undefined {
  const given = Number(process.env[SEED_VARIABLE] ?? NaN);
  return Number.isInteger(given) ? given : undefined;
}

/** The seed that the variable sets, else a new one from 1 to 2^31 - 1. The test prints it with every failure. */
export function seedFromEnvironment(): number {
  return givenSeed() ?? 1 + Math.floor(Math.random() * 0x7fff_fffe);
}
