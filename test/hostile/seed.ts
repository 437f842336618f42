/** The variable that sets the seed of everything random in the hostile tests. */
export const SEED_VARIABLE = 'BROKER_POOL_TEST_SEED';

/** The seed that was asked for, else a new one. Whoever uses it prints it with every failure. */
export function seedFromEnvironment(): number {
  const given = Number(process.env[SEED_VARIABLE]);
  return Number.isInteger(given) && given > 0 ? given : 1 + Math.floor(Math.random() * 0x7fff_ffff);
}
