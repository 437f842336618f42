/** Which tests are asked whether they notice a mutant, the likeliest first. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';

/** What the whole of each area is asked last. The slow suites that start many processes stay out. */
const AREAS: ReadonlyMap<string, RegExp> = new Map([
  ['src/pool/sharing', /^test\/pool\/(?:sharing|features)\//],
  ['src/pool', /^test\/pool\//],
  ['src/negotiation', /^test\/(?:negotiation|pool\/features|hostile\/(?:drivers|frames|pool|quiet|slow))/],
]);

/** Picks tests out of a build. */
export class Selection {
  readonly #tests: readonly string[];
  readonly #imports = new Map<string, ReadonlySet<string>>();

  /** @param build folder of the build, whose test files are read */
  constructor(build: string) {
    this.#tests = readdirSync(join(build, 'test'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.js') && !/^(?:interop|bundles|mutations)\//.test(name))
      .map((name) => `test/${name}`)
      .toSorted();
    for (const test of this.#tests) this.#imports.set(test, importsOf(build, test));
  }

  /**
   * In turn: the unit tests of the file, the tests that import it, the whole area. No test stands in two of
   * them.
   */
  stagesFor(file: string): string[][] {
    const unit = file.replace(/^src\//, 'test/').replace(/\.js$/, '');
    const area = [...AREAS].find(([folder]) => file.startsWith(`${folder}/`))?.[1];
    const isIn: ((test: string) => boolean)[] = [
      (test) => test.startsWith(`${unit}.`),
      (test) => this.#imports.get(test)?.has(file) === true,
      (test) => area?.test(test) === true,
    ];
    let left = [...this.#tests];
    return isIn
      .map((matches) => {
        const stage = left.filter(matches);
        left = left.filter((test) => !matches(test));
        return stage;
      })
      .filter((stage) => stage.length > 0);
  }
}

function importsOf(build: string, test: string): Set<string> {
  const code = readFileSync(join(build, test), 'utf8');
  return new Set([...code.matchAll(/ from '(\.[^']+)'/g)].map(([, path = '']) => join(dirname(test), path)));
}
