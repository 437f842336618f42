/** A copy of the build to put mutants into, and the test runner over it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mutate, type Mutant } from './mutants.js';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const AVA = 'node_modules/ava/entrypoints/cli.mjs';

export class MutableCopy {
  readonly #name: string;
  readonly #config: string;

  /** @param index tells several copies apart */
  constructor(index: number) {
    this.#name = `dist-mutated-${index}`;
    this.#config = `ava.mutated-${index}-tmp.config.js`;
    this.remove();
    cpSync(join(ROOT, 'dist'), join(ROOT, this.#name), { recursive: true });
    const config = {
      files: [`${this.#name}/test/**/*.test.js`],
      workerThreads: false,
      timeout: '20s',
      failFast: true,
      concurrency: 2,
      environmentVariables: { BROKER_POOL_TEST: '1' },
    };
    writeFileSync(join(ROOT, this.#config), `export default ${JSON.stringify(config)};\n`);
  }

  remove(): void {
    rmSync(join(ROOT, this.#name), { recursive: true, force: true });
    rmSync(join(ROOT, this.#config), { force: true });
  }

  /** Puts a mutant into the copy; the result takes it out again. */
  plant(mutant: Mutant): Disposable {
    const path = join(ROOT, this.#name, mutant.file);
    const code = readFileSync(path, 'utf8');
    writeFileSync(path, mutate(code, mutant));
    return { [Symbol.dispose]: () => writeFileSync(path, code) };
  }

  /**
   * Runs tests. @returns the title of the first that failed, `'no end'` after the limit, `undefined` where
   * all passed
   */
  async firstFailure(tests: readonly string[], limitMs: number): Promise<string | undefined> {
    const files = tests.map((test) => `${this.#name}/${test}`);
    // A group of its own: tests that hang are ended with all the processes that they have started.
    const child = spawn(process.execPath, [AVA, '--config', this.#config, '--tap', ...files], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
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
    if (child.exitCode === 0) return undefined;
    return /^not ok \d+ - (.*)$/m.exec(output)?.[1] ?? (isLate ? 'no end' : 'the test file itself');
  }
}
