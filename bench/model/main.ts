/**
 * `npm run bench:model`: the tables of docs/scaling.md out of a run of bench:real; `--write <file>` puts them
 * between the file's markers.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { BenchRun } from '../harness/result.js';
import { costsFrom } from './costs.js';
import { describeScaling } from './scaling.js';

/** From dist/bench/model the project is three levels up. */
const LATEST_RUN = fileURLToPath(new URL('../../../bench/results/bench-real.json', import.meta.url));
const BEGIN = '<!-- model: begin -->';
const END = '<!-- model: end -->';

const { positionals, values } = parseArgs({ allowPositionals: true, options: { write: { type: 'string' } } });
const run: BenchRun = JSON.parse(readFileSync(positionals[0] ?? LATEST_RUN, 'utf8'));
const text = describeScaling(costsFrom(run));
if (values.write === undefined) {
  console.log(text);
} else {
  const page = readFileSync(values.write, 'utf8');
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin === -1 || end < begin) throw new Error(`${values.write} has no "${BEGIN}" before "${END}"`);
  writeFileSync(values.write, `${page.slice(0, begin + BEGIN.length)}\n${text}\n${page.slice(end)}`);
}
