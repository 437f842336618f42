/** The code that each test file runs: V8's block coverage of its process, its threads and its child processes. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT, type MutableCopy } from './copy.js';
import { compiledFilesOf } from './files.js';

/** Kept between runs: a change of one test file costs the coverage of that file only. */
const CACHE = join(ROOT, 'dist-coverage');
const LIMIT_MS = 300_000;

/** The code that one test file runs while nothing is changed. */
export interface TestCoverage {
  readonly test: string;
  readonly durationMs: number;
  /** It fails without a mutant: it can tell nothing. */
  readonly isBroken: boolean;
  /** For each file of the build, the places from an even index up to the next one. */
  readonly reached: Readonly<Record<string, readonly number[]>>;
}

interface V8Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

interface V8Report {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly { readonly ranges: readonly V8Range[] }[];
  }[];
}

/** Takes the coverage of each test file when it is first asked for, or finds what an earlier run took. */
export class CoverageTaker {
  readonly #build = createHash('sha256').update(process.version);
  readonly #taken = new Map<string, Promise<TestCoverage>>();
  readonly #durations = new Map<string, number>();

  constructor() {
    mkdirSync(CACHE, { recursive: true });
    for (const file of compiledFilesOf('.'))
      if (!/\.test\.js$|^test\/mutations\//.test(file))
        this.#build.update(readFileSync(join(ROOT, 'dist', file)));
  }

  /** How long a test file takes, as far as that is known. */
  durationOf(test: string): number | undefined {
    return this.#durations.get(test);
  }

  /** @param copy runs the test file; without a mutant in it */
  of(test: string, copy: MutableCopy): Promise<TestCoverage> {
    const known = this.#taken.get(test);
    if (known !== undefined) return known;
    const taken = this.#take(test, copy);
    this.#taken.set(test, taken);
    return taken;
  }

  async #take(test: string, copy: MutableCopy): Promise<TestCoverage> {
    const code = readFileSync(join(ROOT, 'dist', test));
    const cached = join(CACHE, `${this.#build.copy().update(code).digest('hex').slice(0, 32)}.json`);
    const taken = readCoverage(cached) ?? (await coverageOrRetry(test, copy));
    if (!taken.isBroken) writeFileSync(cached, JSON.stringify(taken));
    this.#durations.set(test, taken.durationMs);
    return taken;
  }
}

function readCoverage(path: string): TestCoverage | undefined {
  try {
    const taken: TestCoverage = JSON.parse(readFileSync(path, 'utf8'));
    return taken;
  } catch {
    return undefined;
  }
}

async function coverageOrRetry(test: string, copy: MutableCopy): Promise<TestCoverage> {
  const first = await coverageOf(copy, test);
  // On a machine that is busy a test may fail for want of time.
  return first.isBroken ? await coverageOf(copy, test) : first;
}

/** @returns whether a test file runs the code at a place */
export function reaches({ reached }: Pick<TestCoverage, 'reached'>, file: string, place: number): boolean {
  const places = reached[file] ?? [];
  const after = places.findIndex((each) => each > place);
  return after % 2 === 1;
}

async function coverageOf(copy: MutableCopy, test: string): Promise<TestCoverage> {
  const folder = mkdtempSync(join(tmpdir(), 'bpm-coverage-'));
  try {
    const { failure, durationMs } = await copy.run([test], LIMIT_MS, folder);
    const painted = new Map<string, Uint8Array>();
    for (const name of readdirSync(folder))
      paintReport(readFileSync(join(folder, name), 'utf8'), copy, painted);
    const reached = Object.fromEntries([...painted].map(([file, paint]) => [file, edgesOf(paint)]));
    return { test, durationMs, isBroken: failure !== undefined, reached };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Marks each character of the build that one process ran. */
function paintReport(json: string, copy: MutableCopy, painted: Map<string, Uint8Array>): void {
  const base = `${pathToFileURL(copy.path).href}/`;
  const report: V8Report = JSON.parse(json);
  for (const { url, functions } of report.result) {
    if (!url.startsWith(`${base}src/`) && !url.startsWith(`${base}workers/`)) continue;
    const ranges = functions.flatMap((each) => each.ranges);
    const paint = new Uint8Array(Math.max(...ranges.map(({ endOffset }) => endOffset)));
    // A range inside another range comes after it, and counts instead of it.
    for (const { startOffset, endOffset, count } of ranges.toSorted(outerFirst))
      paint.fill(count > 0 ? 1 : 0, startOffset, endOffset);
    const file = url.slice(base.length);
    const earlier = painted.get(file);
    painted.set(
      file,
      earlier === undefined ? paint : earlier.map((mark, index) => mark | (paint[index] ?? 0)),
    );
  }
}

function outerFirst(one: V8Range, other: V8Range): number {
  return one.startOffset - other.startOffset || other.endOffset - one.endOffset;
}

function edgesOf(paint: Uint8Array): number[] {
  const edges: number[] = [];
  for (let index = 0; index <= paint.length; index += 1)
    if ((paint[index] ?? 0) !== (paint[index - 1] ?? 0)) edges.push(index);
  return edges;
}
