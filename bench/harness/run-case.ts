import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { BenchCase, BenchContext } from './case.js';
import type { CaseResult } from './result.js';

/** The task of a case's process, as JSON. */
export interface CaseTask extends Omit<BenchContext, 'progress'> {
  readonly name: string;
}

/** The messages of that process. */
export type CaseMessage =
  | { readonly kind: 'progress'; readonly what: string }
  | { readonly kind: 'result'; readonly result: CaseResult };

const ENTRY = fileURLToPath(new URL('../case-process.js', import.meta.url));

/**
 * Runs a case in a process of its own: no case finds the heap, the threads or the compiled code of another,
 * and one that hangs is ended at twice its budget, its servers with it.
 */
export async function runCase(
  { budgetMs, name }: BenchCase,
  task: CaseTask,
  onProgress: (what: string) => void,
): Promise<CaseResult> {
  const child = fork(ENTRY, [JSON.stringify(task)], { serialization: 'advanced' });
  const limit = setTimeout(() => child.kill('SIGKILL'), 2 * budgetMs);
  try {
    return await new Promise<CaseResult>((resolve, reject) => {
      let result: CaseResult | undefined;
      child.on('message', (message: CaseMessage) => {
        if (message.kind === 'progress') onProgress(message.what);
        else result = message.result;
      });
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        if (result !== undefined) resolve(result);
        else
          reject(
            new Error(
              `${name} ended with ${code ?? signal} and no result (limit ${(2 * budgetMs) / 1_000} s)`,
            ),
          );
      });
    });
  } finally {
    clearTimeout(limit);
  }
}
