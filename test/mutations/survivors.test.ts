import { MODULES } from '../helpers/modules.js';
import test from '../helpers/sanitary.js';
import { compiledFilesOf, readCompiled } from './files.js';
import { mutantsOf } from './mutants.js';
import { isSame, KNOWN_SURVIVORS } from './survivors.js';

/** The classes and functions that the known survivors are in. */
const NAMES: ReadonlySet<string | undefined> = new Set(
  KNOWN_SURVIVORS.map(({ where }) => where.split('.')[0]),
);

function declaresOneOf(code: string): boolean {
  return Array.from(code.matchAll(/\b(?:class|function) (\w+)/g)).some(([, name]) => NAMES.has(name));
}

test('each known survivor is a mutant of the build', (t) => {
  const mutants = compiledFilesOf('src', MODULES).flatMap((file) => {
    const code = readCompiled(file, MODULES);
    // To make the mutants of all files takes seconds.
    return declaresOneOf(code) ? mutantsOf(file, code) : [];
  });
  const stale = KNOWN_SURVIVORS.filter((survivor) => !mutants.some((mutant) => isSame(survivor, mutant)));
  t.deepEqual(stale, []);
});
