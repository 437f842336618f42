import { onAbort } from '../../abort.js';
import { systemClock } from '../../clock.js';
import type { BrokerPoolError } from '../../errors.js';
import type { BackendOptions, BackendRequest } from '../../backend/index.js';
import { defineCommand, printJson, printLine, type CommandIo } from '../command.js';
import { ExitCode } from '../exit-codes.js';
import { flag, list, value } from '../option.js';
import { report } from '../report.js';
import { absolutePath, identifier, shownEndpoint, wholeNumber } from '../values.js';
import { listeningEndpoint } from './listening-endpoint.js';
import { untilInterrupted } from './until-interrupted.js';

/** How long clients get at the end to read the answers that they are owed. */
const CLOSE_MS = 1_000;
const PAYLOAD_PROTOCOL = 0xf001;

/** `broker-pool serve backend`: a backend that answers requests, HTTP or bytes. */
export const serveBackend = defineCommand({
  name: 'serve backend',
  description:
    'Serves as a backend, to try clients and brokers with, until Ctrl-C or SIGTERM, which end it with exit ' +
    'code 0. It answers requests with their payload, and echoes bytes that are no requests. Prints where it ' +
    'listens. A broker may launch it.',
  options: {
    endpoint: value(
      'ENDPOINT',
      'where to listen; by default in a new temporary directory, or where a broker that launched it says',
      listeningEndpoint,
      { isPath: true },
    ),
    'handoff-endpoint': value('ENDPOINT', 'where brokers hand connections over', listeningEndpoint, {
      isPath: true,
    }),
    'payload-protocol': list(
      'ID',
      'answer requests of this payload protocol; can be given several times; 0xf001 if left out',
      identifier,
    ),
    http: flag(
      'answer HTTP requests with their body, or where they have none with method and path, instead of ' +
        'echoing bytes',
    ),
    'identity-file': value('PATH', 'write who it is there, for clients without a broker', absolutePath, {
      isPath: true,
    }),
    delay: value('MS', 'answer requests and HTTP only after this time', wholeNumber()),
    fail: flag('fail with every request instead of answering it'),
  },
  json: 'where it listens, and at the end what it has counted, as JSON',
  async run({ values }, io) {
    const { json, fail, delay = 0 } = values;
    const [{ serveBackend: serve, launchEnvironment }, { SocketDirectory }] = await Promise.all([
      import('../../backend/index.js'),
      import('../../testing/socket-directory.js'),
    ]);
    const httpServer = values.http ? (await import('./http-echo.js')).httpEcho(delay) : undefined;
    const directory = new SocketDirectory(undefined);
    try {
      const options: BackendOptions = {
        endpoint:
          values.endpoint ??
          (launchEnvironment() === undefined ? directory.endpoint('backend', undefined) : undefined),
        handoffEndpoint: values['handoff-endpoint'],
        identityFile: values['identity-file'],
        payloadProtocols:
          values['payload-protocol'].length > 0 ? values['payload-protocol'] : [PAYLOAD_PROTOCOL],
        onRequest: (request) => answer(request, delay, fail),
        httpServer,
        onConnection: httpServer === undefined ? (socket) => void socket.pipe(socket) : undefined,
        closeOnSigterm: false,
        onError: (error: BrokerPoolError) => report(error, 'serve backend', json, io),
      };
      const backend = await serve(options);
      announce(backend, json, io);
      await untilInterrupted(io);
      await backend.close({ timeoutMs: CLOSE_MS });
      const counts = backend.stats();
      if (json) printJson(io.stdout, { counts });
      else
        printLine(
          io.stdout,
          `served   connections: ${counts.accepted + counts.adopted}, requests in frames: ${counts.requests}`,
        );
      return ExitCode.DONE;
    } finally {
      directory.remove();
    }
  },
});

async function answer(
  { payload, signal }: BackendRequest,
  delayMs: number,
  fail: boolean,
): Promise<Uint8Array> {
  if (delayMs > 0) await pause(delayMs, signal);
  if (fail) throw new Error('told to fail with every request');
  return payload;
}

/** Over early when the client leaves. */
function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const cancel = systemClock.schedule(delayMs, () => {
      stopListening();
      resolve();
    });
    const stopListening = onAbort(signal, () => {
      cancel();
      resolve();
    });
  });
}

function announce(
  { endpoint, handoffEndpoint }: { readonly endpoint: string; readonly handoffEndpoint: string | undefined },
  json: boolean,
  { stdout }: CommandIo,
): void {
  if (json) return printJson(stdout, { endpoint, handoffEndpoint });
  printLine(stdout, `backend  ${shownEndpoint(endpoint)}`);
  if (handoffEndpoint !== undefined) printLine(stdout, `handoff  ${shownEndpoint(handoffEndpoint)}`);
}
