/** The declarations as a strict project of a user sees them. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
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

test('the example of docs/errors.md is the one that compiles', (t) => {
  const example = /```ts\n(?:import .*\n+)*([\s\S]*?)```/.exec(
    readFileSync(join(ROOT, 'docs/errors.md'), 'utf8'),
  )?.[1];
  const compiled = / {2}\/\/ The example begins\.\n([\s\S]*?) {2}\/\/ The example ends\./.exec(
    readFileSync(join(CONSUMER, 'errors.ts'), 'utf8'),
  )?.[1];
  t.is(compiled?.replaceAll(/^ {2}/gm, ''), example);
});
