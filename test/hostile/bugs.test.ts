import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from '../helpers/sanitary.js';
import { BUGS, planted } from './bugs.js';

/** From dist/test/hostile the build is two levels up. */
const BUILD = fileURLToPath(new URL('../../', import.meta.url));

for (const bug of BUGS) {
  test(`the build has the place for the planted bug "${bug.title}"`, (t) => {
    const code = readFileSync(`${BUILD}${bug.file}`, 'utf8');
    t.not(planted(code, bug), code);
  });
}
