/**
 * The entry of a broker or backend process: `node serve.js '{"role":"backend",…}'`, see `ServeTask`. Prints a
 * line of JSON when it is ready. Ends on SIGTERM and when its standard input ends, so also when its parent
 * process is killed; then it removes a temporary directory.
 */
import { rmdirSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import {
  COUNTS_COMMAND,
  STOP_COMMAND,
  type BackendProcessCounts,
  type BrokerProcessCounts,
  type ServeFailure,
  type ServeReady,
  type ServeTask,
} from './serve-protocol.js';
import { textOf } from '../errors.js';

function say(message: ServeReady | ServeFailure | BrokerProcessCounts | BackendProcessCounts): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** Starts the server of the task. Only its own modules are loaded: half of the start is that. */
async function serve(task: ServeTask) {
  if (task.role === 'broker') {
    const { EmbeddedBroker } = await import('./embedded-broker.js');
    const { role: _role, isTemporary: _isTemporary, ...options } = task;
    const broker = await EmbeddedBroker.start(options);
    say({ pid: process.pid, endpoint: broker.endpoint });
    const counts = (): BrokerProcessCounts => {
      const { helloCount, adminCount, connectionCount, handoffCount, openConnections, earlyHangUps } = broker;
      return { helloCount, adminCount, connectionCount, handoffCount, openConnections, earlyHangUps };
    };
    return { counts, stop: () => broker.stop() };
  }
  const { EmbeddedBackend } = await import('./embedded-backend.js');
  const { role: _role, isTemporary: _isTemporary, ...options } = task;
  const backend = await EmbeddedBackend.start(options);
  const { endpoint, handoffEndpoint } = backend;
  say({ pid: process.pid, endpoint, ...(handoffEndpoint === undefined ? {} : { handoffEndpoint }) });
  const counts = (): BackendProcessCounts => {
    const { connections, acceptedCount, adoptedCount } = backend;
    return { connections, acceptedCount, adoptedCount };
  };
  return { counts, stop: () => backend.stop() };
}

/** Removes a temporary directory: with all its files when the parent process is gone, else when it is empty. */
function removeDirectory({ directory, isTemporary = false }: ServeTask, isOrphan: boolean): void {
  if (!isTemporary || directory === '') return;
  try {
    if (isOrphan) rmSync(directory, { recursive: true, force: true });
    else rmdirSync(directory);
  } catch {
    // The other server has its socket there, or has removed it.
  }
}

/** Answers until `stop`. Returns whether the parent process is gone. */
async function answer(
  lines: AsyncIterable<string>,
  counts: () => BrokerProcessCounts | BackendProcessCounts,
): Promise<boolean> {
  for await (const line of lines) {
    if (line === COUNTS_COMMAND) say(counts());
    if (line === STOP_COMMAND) return false;
  }
  return !isTerminated;
}

// Ctrl-C and the end of a terminal reach the whole process group; the parent process decides when to stop.
for (const signal of ['SIGINT', 'SIGHUP']) process.on(signal, () => {});
// The reader is gone; then the input ends as well.
process.stdout.on('error', () => {});
let isTerminated = false;
const input = createInterface({ input: process.stdin });
process.once('SIGTERM', () => {
  isTerminated = true;
  input.close();
  process.stdin.destroy();
});
// Before the first line is printed: the parent process may send `stop` at once.
const commands = input[Symbol.asyncIterator]();
const task: ServeTask = JSON.parse(process.argv[2] ?? '');
try {
  const server = await serve(task);
  const isOrphan = await answer(commands, server.counts);
  await server.stop();
  removeDirectory(task, isOrphan);
} catch (error) {
  // Not on the error output, which belongs to the program: the parent process reports it.
  say({ problem: textOf(error) });
  process.exitCode = 1;
  process.stdin.destroy();
  removeDirectory(task, false);
}
