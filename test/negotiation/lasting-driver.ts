import type { Driver } from '../../src/negotiation/job.js';
import test from '../helpers/sanitary.js';

const lasting = new Map<() => Driver, { readonly driver: Driver; readonly name: string }>();

/**
 * One driver of each kind for all tests of a file, since a thread for each would cost more than the tests. A driver
 * whose thread has failed is replaced.
 */
export function lastingDriver(create: () => Driver): Driver {
  const known = lasting.get(create);
  if (known !== undefined && known.driver.name === known.name) return known.driver;
  void known?.driver.close();
  const driver = create();
  lasting.set(create, { driver, name: driver.name });
  return driver;
}

test.after.always('the drivers are closed', async () => {
  await Promise.all(Array.from(lasting.values(), ({ driver }) => driver.close()));
});
