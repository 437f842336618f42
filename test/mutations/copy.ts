/** A copy of the build to put mutants into, and the test runner over it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mutate, type Mutant } from './mutants.js';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const AVA = 'node_modules/ava/entrypoints/cli.mjs';
/** As in ava.config.js: the caller's limit ends a run earlier. */
const IDLE_LIMIT = '4m';

/** How one run of test files ended. */
export interface TestRun {
  /** The title of the first test that failed, `undefined` where all passed. */
  readonly failure: string | undefined;
  /** The run was ended at its limit. */
  readonly isLate: boolean;
  readonly durationMs: number;
}

export class MutableCopy {
  readonly path: string;
  readonly #name: string;
  readonly #config: string;
  /** Temporary files of the tests: a mutant may leave some, or remove too many. */
  readonly #temporary = mkdtempSync(join(tmpdir(), 'bpm-'));

  /** @param index tells several copies apart */
  constructor(index: number) {
    this.#name = `dist-mutated-${index}`;
    this.#config = `ava.mutated-${index}-tmp.config.js`;
    this.path = join(ROOT, this.#name);
    this.#removeBuild();
    cpSync(join(ROOT, 'dist'), this.path, { recursive: true });
    const config = {
      files: [`${this.#name}/test/**/*.test.js`],
      workerThreads: false,
      timeout: IDLE_LIMIT,
      failFast: true,
      concurrency: 1,
      environmentVariables: { BROKER_POOL_TEST: '1' },
    };
    writeFileSync(join(ROOT, this.#config), `export default ${JSON.stringify(config)};\n`);
  }

  remove(): void {
    this.#removeBuild();
    rmSync(this.#temporary, { recursive: true, force: true });
  }

  /** Puts a mutant into the copy; the result takes it out again. */
  plant(mutant: Mutant): Disposable {
    const path = join(this.path, mutant.file);
    const code = readFileSync(path, 'utf8');
    writeFileSync(path, mutate(code, mutant));
    return { [Symbol.dispose]: () => writeFileSync(path, code) };
  }

  /**
   * Runs test files, one after the other, up to the first failure.
   *
   * @param coverage folder for V8's coverage of all processes
   */
  async run(tests: readonly string[], limitMs: number, coverage?: string): Promise<TestRun> {
    const begin = performance.now();
    const files = tests.map((test) => `${this.#name}/${test}`);
    // A group of its own: tests that hang are ended with all the processes that they have started.
    const child = spawn(process.execPath, [AVA, '--config', this.#config, '--tap', ...files], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
      env: {
        ...process.env,
        TMPDIR: this.#temporary,
        ...(coverage === undefined ? {} : { NODE_V8_COVERAGE: coverage }),
      },
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    let isLate = false;
    const limit = setTimeout(() => {
      isLate = true;
      process.kill(-(child.pid ?? 0), 'SIGKILL');
    }, limitMs);
    await once(child, 'close');
    clearTimeout(limit);
    const title = /^not ok \d+ - (.*)$/m.exec(output)?.[1];
    return {
      failure:
        child.exitCode === 0 ? undefined : (title ?? (isLate ? 'no end' : `${tests.join(', ')} itself`)),
      isLate,
      durationMs: performance.now() - begin,
    };
  }

  #removeBuild(): void {
    rmSync(this.path, { recursive: true, force: true });
    rmSync(join(ROOT, this.#config), { force: true });
  }
}
