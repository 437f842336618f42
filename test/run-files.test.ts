import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from './helpers/sanitary.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PROGRAM = join(ROOT, 'dist/test/run-files.js');

/** How `npm run test:file` ends, and what it says, with these names. */
function endWith(...names: string[]): Promise<{ code: unknown; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [PROGRAM, ...names], { cwd: ROOT }, (error, _stdout, stderr) =>
      resolve({ code: error?.code, stderr }),
    );
  });
}

test('test:file refuses a name that is missing, and a file that is no test, and names each', async (t) => {
  const example = 'name test files, for example: npm run test:file -- test/pool/lease.test.ts\n';
  const refused = (problem: string) => ({ code: 1, stderr: `${problem}; ${example}` });
  t.deepEqual(await endWith('src/pool/lease.ts'), refused('src/pool/lease.ts is no test file'));
  t.deepEqual(await endWith('test/nowhere.test.ts'), refused('There is no test/nowhere.test.ts'));
  t.deepEqual(
    await endWith('test/compiled.ts', 'test/nowhere.test.ts', 'test/layers.test.ts'),
    refused('There is no test/nowhere.test.ts; test/compiled.ts is no test file'),
  );
});
