/** The declarations as a strict project of a user sees them. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from '../helpers/sanitary.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const CONSUMER = join(ROOT, 'test/types/consumer');
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');
const LIMIT_MS = 120_000;

test('a strict project with exactOptionalPropertyTypes compiles against the declarations, which compile themselves', async (t) => {
  t.timeout(LIMIT_MS);
  await t.notThrowsAsync(promisify(execFile)(process.execPath, [TSC, '-p', CONSUMER], { timeout: LIMIT_MS }));
});
