import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from '../helpers/sanitary.js';
import { BUGS, planted } from './bugs.js';

/** From dist/test/hostile the build is two levels up. */
const BUILD = fileURLToPath(new URL('../../', import.meta.url));

/** `npm test` joins modules, and says here where they were put apart. Other runs leave them in their places. */
const MODULES = process.env['BROKER_POOL_TEST_MODULES'];
const isApart = MODULES !== undefined && existsSync(MODULES);

for (const bug of BUGS) {
  test(`the build has the place for the planted bug "${bug.title}"`, (t) => {
    const code = readFileSync(join(isApart ? MODULES : BUILD, bug.file), 'utf8');
    t.not(planted(code, bug), code);
  });
}
