import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Options of a child besides its input. */
export interface ChildOptions {
  /** For Node itself, for example `--expose-gc`. */
  readonly nodeOptions?: readonly string[];
  readonly limitMs?: number;
  /** Another Node. @default that of this process */
  readonly execPath?: string;
  /** Beside the variables of this process. */
  readonly env?: NodeJS.ProcessEnv;
}

const LIMIT_MS = 60_000;

/**
 * Runs one of bench/programs in a process of its own and returns what it answers: for figures that must not
 * depend on what this process has compiled, allocated or opened before.
 */
export async function askProgram<Answer>(
  name: string,
  task: object,
  options: ChildOptions = {},
): Promise<Answer> {
  const entry = fileURLToPath(new URL(`../programs/${name}.js`, import.meta.url));
  const child = fork(entry, [JSON.stringify(task)], {
    execArgv: [...(options.nodeOptions ?? [])],
    execPath: options.execPath ?? process.execPath,
    // The other Node may write values in another form.
    serialization: options.execPath === undefined ? 'advanced' : 'json',
    env: { ...process.env, ...options.env },
  });
  const { limitMs = LIMIT_MS } = options;
  const limit = setTimeout(() => child.kill('SIGKILL'), limitMs);
  try {
    return await new Promise<Answer>((resolve, reject) => {
      let answer: { readonly value: Answer } | undefined;
      child.once('message', (value: Answer) => {
        answer = { value };
      });
      child.once('error', reject);
      // Only when it has ended is the machine free for the next one.
      child.once('exit', (code, signal) => {
        if (answer !== undefined) resolve(answer.value);
        else
          reject(
            new Error(
              `bench program ${name} ended with ${code ?? signal} and no answer (limit ${limitMs} ms)`,
            ),
          );
      });
    });
  } finally {
    clearTimeout(limit);
  }
}

/**
 * In the child: what it was told is its first argument, as JSON; this sends what it has found, and ends it.
 */
export async function sendAnswer(answer: unknown): Promise<never> {
  await new Promise<void>((resolve, reject) => {
    process.send?.(answer, (error: Error | null) => (error === null ? resolve() : reject(error)));
  });
  // Whatever the work has left open is of no interest any more, and must not keep the next turn waiting.
  process.exit(0);
}
