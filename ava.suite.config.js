import { readdirSync, readFileSync } from 'node:fs';
import base from './ava.config.js';

/**
 * The whole suite, as `npm test` runs it. Of a small test file most of the time is the start of its process, so that
 * those whose tests leave each other alone share one: each file in test/together imports some. A new test file has a
 * process of its own until it is added to one of them.
 */
const TOGETHER = 'dist/test/together';

const together = readdirSync(TOGETHER)
  .filter((name) => name.endsWith('.js'))
  .flatMap((name) => [...readFileSync(`${TOGETHER}/${name}`, 'utf8').matchAll(/'\.\.\/(.+)'/g)])
  .map(([, path]) => path);

export default {
  ...base,
  files: [
    ...base.files.filter((pattern) => pattern !== `!${TOGETHER}/**`),
    ...together.map((path) => `!dist/test/${path}`),
  ],
};
