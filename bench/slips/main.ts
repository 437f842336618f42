/**
 * `npm run bench:slips`: compares this build with the landed results. Ends with 1 where a row got slower by more than
 * its bound, in a second try as well. `--write` makes this build the landed one, on this kind of processor. Words choose
 * rows.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { spawnTestSystem } from '../../src/testing/index.js';
import { machine } from '../harness/machine.js';
import { installPeers } from '../harness/peer-modules.js';
import {
  describeSlip,
  isOn,
  joined,
  judgeRow,
  landedOn,
  ratioOfFastest,
  type Landed,
  type SlipVerdict,
} from './judge.js';
import { measureRows, type Measured } from './measure.js';
import { BACKLOG, ROWS, type SlipRow, type SlipSystem } from './rows.js';

/** From dist/bench/slips the project is three levels up. */
const LANDED_FILE = fileURLToPath(new URL('../../../bench/results/landed.json', import.meta.url));
const ROUNDS = 4;
const BUDGET_MS = 40_000;
/** The landed results serve for weeks. */
const ROUNDS_TO_WRITE = 9;

// The machine's description has the versions of the peers.
installPeers();
const here = machine(false);

function readLanded(): Landed[] {
  return JSON.parse(readFileSync(LANDED_FILE, 'utf8'));
}

function isHere(landed: Landed): boolean {
  return isOn(here['cpu'], landed);
}

/** Rows that have not been measured, and other processors, keep their figures. */
function writeLanded(measured: ReadonlyMap<string, Measured>): void {
  const all = readLanded();
  const ratios = all.find(isHere)?.ratios ?? {};
  const written = ROWS.flatMap(({ name }): [string, number][] => {
    const figures = measured.get(name);
    const ratio = figures === undefined ? ratios[name] : Number(ratioOfFastest(figures).toFixed(4));
    return ratio === undefined ? [] : [[name, ratio]];
  });
  const landed: Landed = {
    takenAt: new Date().toISOString(),
    machine: here,
    ratios: Object.fromEntries(written),
  };
  const others = all.filter((one) => !isHere(one));
  writeFileSync(LANDED_FILE, `${JSON.stringify([...others, landed], undefined, 2)}\n`);
  console.log(`wrote ${LANDED_FILE}`);
}

function measuredOf(measured: ReadonlyMap<string, Measured>, name: string): Measured {
  return measured.get(name) ?? { ours: [], peer: [] };
}

/** A row out of its bound gets as many rounds again; the fastest of all rounds count. */
async function compare(rows: readonly SlipRow[], system: SlipSystem): Promise<SlipVerdict[]> {
  const ratios = landedOn(here['cpu'], readLanded());
  const measured = await measureRows(rows, system, ROUNDS, BUDGET_MS);
  const verdicts = rows.map((row) => judgeRow(row, measuredOf(measured, row.name), ratios));
  const slipped = verdicts.filter(({ passed }) => !passed);
  if (slipped.length === 0) return verdicts;
  console.log(`measured again: ${slipped.map(({ row }) => row.name).join('; ')}`);
  const doubtful = slipped.map(({ row }) => row);
  const again = await measureRows(doubtful, system, ROUNDS, BUDGET_MS);
  return verdicts.map((verdict) => {
    const { row } = verdict;
    if (!doubtful.includes(row)) return verdict;
    return judgeRow(row, joined(verdict.measured, measuredOf(again, row.name)), ratios);
  });
}

const { values, positionals } = parseArgs({
  options: { write: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const isChosen = ({ name }: SlipRow): boolean =>
  positionals.length === 0 || positionals.some((word) => name.includes(word));
const chosen = ROWS.filter(isChosen);
await using system = await spawnTestSystem({ handoff: 'none', backlog: BACKLOG });
const { target, backend } = system;
const slipSystem = { target, endpoint: backend.endpoint, pid: backend.pid ?? 0 };
if (values.write) {
  writeLanded(await measureRows(chosen, slipSystem, ROUNDS_TO_WRITE, Infinity));
} else {
  const verdicts = await compare(chosen, slipSystem);
  for (const verdict of verdicts) console.log(describeSlip(verdict));
  if (verdicts.some(({ passed }) => !passed)) process.exitCode = 1;
}
