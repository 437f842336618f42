import { fileURLToPath } from 'node:url';
import { LineProcess } from '../../test/interop/real-broker.js';

/**
 * One of bench/programs that goes on until it is no longer needed, and said at its start what others must
 * know.
 */
export interface RunningProgram<Ready> extends AsyncDisposable {
  readonly ready: Ready;
  readonly pid: number;
  /** Sends a line; resolves with the answer. */
  ask<Answer>(line: string): Promise<Answer>;
}

export async function startProgram<Ready>(
  name: string,
  input?: object,
  nodeOptions: readonly string[] = [],
): Promise<RunningProgram<Ready>> {
  const entry = fileURLToPath(new URL(`../programs/${name}.js`, import.meta.url));
  const program = new LineProcess(process.execPath, [
    ...nodeOptions,
    entry,
    ...(input === undefined ? [] : [JSON.stringify(input)]),
  ]);
  const ready = await program.read<Ready>();
  return {
    ready,
    pid: program.child.pid ?? 0,
    ask: (line) => program.ask(line),
    [Symbol.asyncDispose]: () => program.stop(),
  };
}
