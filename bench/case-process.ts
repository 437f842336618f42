/** The process of one case; see harness/run-case.ts. */
import { builds, cases } from './cases/index.js';
import type { CaseMessage, CaseTask } from './harness/run-case.js';

function send(message: CaseMessage): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(message, (error: Error | null) => (error === null ? resolve() : reject(error)));
  });
}

// The program that started this is gone, and with it the reader of the result.
process.once('disconnect', () => process.exit(1));
const { name, ...context }: CaseTask = JSON.parse(process.argv[2] ?? '');
const found = [...cases, builds].find((candidate) => candidate.name === name);
if (found === undefined) throw new Error(`there is no case ${name}`);
const findings = await found.run({
  ...context,
  progress: (what) => void send({ kind: 'progress', what }),
});
await send({
  kind: 'result',
  result: { name, question: found.question, pictures: found.pictures ?? [], ...findings },
});
process.removeAllListeners('disconnect');
process.disconnect();
