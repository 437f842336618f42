import { existsSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import test from '../helpers/sanitary.js';

const ROOT = new URL('../../../', import.meta.url);

/** The files that a module loads with itself: those of `import()` come later, those of types never. */
function loadedWith(path: string, found = new Set<string>()): Set<string> {
  const file = new URL(path, ROOT);
  // The generated code is JavaScript.
  if (found.has(path) || !existsSync(file)) return found;
  found.add(path);
  const source = readFileSync(file, 'utf8');
  for (const [, name = ''] of source.matchAll(/^(?:import|export) (?!type )[^;]*? from '(\.[^']+)';$/gms))
    loadedWith(posix.join(posix.dirname(path), name).replace(/\.js$/, '.ts'), found);
  return found;
}

const COMMAND_FILES = [
  ...readFileSync(new URL('src/cli/commands.ts', ROOT), 'utf8').matchAll(/import\('\.\/(.+)\.js'\)/g),
].map(([, name = '']) => `src/cli/${name}.ts`);
/** The parts that connect. */
const HEAVY = /^src\/(?:pool|frames|backend|testing|index\.ts|negotiation)/;

test('no command and no usage text waits for the parts that connect to load', (t) => {
  t.true(COMMAND_FILES.length >= 11);
  for (const path of ['src/cli/main.ts', ...COMMAND_FILES])
    t.deepEqual(
      // The verbs stand beside the function that asks.
      [...loadedWith(path)].filter((file) => HEAVY.test(file) && path !== 'src/cli/admin.ts'),
      [],
      path,
    );
  t.true(loadedWith('src/cli/demo/traffic.ts').has('src/broker-pool.ts'), 'the search finds imports');
});
