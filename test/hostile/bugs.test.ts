import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MODULES } from '../helpers/modules.js';
import test from '../helpers/sanitary.js';
import { BUGS, planted } from './bugs.js';

for (const bug of BUGS) {
  test(`the build has the place for the planted bug "${bug.title}"`, (t) => {
    const code = readFileSync(join(MODULES, bug.file), 'utf8');
    t.not(planted(code, bug), code);
  });
}
