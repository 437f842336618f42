import { monotonicNowMs } from '../clock.js';
import { printable, printableEndpoint, textOf } from '../errors.js';
import { brokerOptions, brokerSettings, limitOption } from './broker-options.js';
import { CommandFailure, defineCommand, printJson, printLine } from './command.js';
import { ExitCode } from './exit-codes.js';
import { flag } from './option.js';
import { showWhile } from './progress.js';
import { targetOf, targetParameters } from './target.js';

/** `broker-pool connect`: a backend's connection as input and output. */
export const connect = defineCommand({
  name: 'connect',
  description:
    'Connects input and output with a backend. The end of the input ends only that direction: the backend can ' +
    'still answer. Ends when the backend has closed the connection. How the connection was made, and what it ' +
    'took, is said on the error output.',
  parameters: targetParameters,
  options: {
    ...brokerOptions,
    timeout: limitOption('limit for each dial, and for the answer of the broker'),
    adopt: flag('keep the connection of the broker when the backend takes it over'),
  },
  json: 'what is said on the error output as JSON, one line each',
  async run({ words, values }, io) {
    const { json, adopt, timeout } = values;
    // Opened first: with an input that cannot be read no backend is to be connected.
    const streams = { stdin: io.stdin, stdout: io.stdout, signal: io.signal };
    const [{ connectToBackend }, { relay }, { loadNativeOrWarn }] = await Promise.all([
      import('../client/connect.js'),
      import('./relay.js'),
      import('../os/native.js'),
    ]);
    // Not measured: the module is loaded once in a process.
    loadNativeOrWarn();
    const startedMs = monotonicNowMs();
    const connecting = connectToBackend({
      ...targetOf(words),
      ...brokerSettings(values),
      ...(timeout !== undefined && { roundTripTimeoutMs: timeout }),
      adoptHandedOffConnection: adopt,
      signal: io.signal,
    });
    const { socket, route, endpoint, negotiated } = await showWhile(io.stderr, 'connecting', connecting);
    const connectedMs = monotonicNowMs();
    if (json) {
      const connectMs = rounded(connectedMs - startedMs);
      printJson(io.stderr, { event: 'connected', route, endpoint, connectMs, negotiated });
    } else {
      const took = `${rounded(connectedMs - startedMs)} ms`;
      printLine(io.stderr, `connected by ${route} to ${printableEndpoint(endpoint)} in ${took}`);
    }
    const { sentBytes, receivedBytes } = await relay(socket, streams).catch((error: unknown) => {
      const problem = printable(textOf(error));
      throw new CommandFailure(
        `the connection to ${printableEndpoint(endpoint)} broke: ${problem}. See the log of the backend.`,
        ExitCode.BROKEN_ANSWER,
      );
    });
    io.signal.throwIfAborted();
    const elapsedMs = rounded(monotonicNowMs() - connectedMs);
    if (json) printJson(io.stderr, { event: 'closed', sentBytes, receivedBytes, elapsedMs });
    else
      printLine(
        io.stderr,
        `closed after ${elapsedMs} ms: ${sentBytes} bytes sent, ${receivedBytes} received`,
      );
    return ExitCode.DONE;
  },
});

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
