/**
 * The entry of a broker or backend process: `node serve.js '{"role":"backend",…}'`, see `ServeTask`. Prints a line of JSON
 * when it is ready, and ends on SIGTERM and when its standard input does: also when the process that started it is killed.
 */
import { createInterface } from 'node:readline';
import { EmbeddedBackend } from './embedded-backend.js';
import { EmbeddedBroker } from './embedded-broker.js';
import { COUNTS_COMMAND, type BackendProcessCounts, type BrokerProcessCounts, type ServeReady, type ServeTask } from './serve-protocol.js';

function say(message: ServeReady | BrokerProcessCounts | BackendProcessCounts): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** Starts what the task names, and returns how to count and to stop it. */
async function serve(task: ServeTask) {
  if (task.role === 'broker') {
    const { role: _, ...options } = task;
    const broker = await EmbeddedBroker.start(options);
    say({ pid: process.pid, endpoint: broker.endpoint });
    const counts = (): BrokerProcessCounts => {
      const { helloCount, adminCount, connectionCount, handoffCount, openConnections, earlyHangUps } = broker;
      return { helloCount, adminCount, connectionCount, handoffCount, openConnections, earlyHangUps };
    };
    return { counts, stop: () => broker.stop() };
  }
  const { role: _, ...options } = task;
  const backend = await EmbeddedBackend.start(options);
  const { endpoint, handoffEndpoint } = backend;
  say({ pid: process.pid, endpoint, ...(handoffEndpoint === undefined ? {} : { handoffEndpoint }) });
  const counts = (): BackendProcessCounts => {
    const { connections, acceptedCount, adoptedCount } = backend;
    return { connections, acceptedCount, adoptedCount };
  };
  return { counts, stop: () => backend.stop() };
}

// Ctrl-C reaches the whole group of processes; the one in front decides when it is over.
process.on('SIGINT', () => {});
const input = createInterface({ input: process.stdin });
process.once('SIGTERM', () => {
  input.close();
  process.stdin.destroy();
});
// Before the first line is printed: its reader may end this process at once.
const commands = input[Symbol.asyncIterator]();
const task: ServeTask = JSON.parse(process.argv[2] ?? '');
const server = await serve(task);
for await (const line of commands) {
  if (line === COUNTS_COMMAND) say(server.counts());
}
await server.stop();
