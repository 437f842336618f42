import type { EmbeddedService } from '../../testing/hello-rules.js';
import { BrokerPoolError } from '../../errors.js';
import type { RefusalCode } from '../../wire/messages.js';
import { quoted } from '../../validation.js';
import {
  CommandFailure,
  defineCommand,
  printJson,
  printLine,
  UsageError,
  type CommandIo,
} from '../command.js';
import { ExitCode } from '../exit-codes.js';
import { list, value } from '../option.js';
import { DEFAULT_VERSION } from '../target.js';
import { anyText, endpointArgument, oneOf, shownEndpoint, wholeNumber } from '../values.js';
import { behaviourFor, MISBEHAVIOURS } from './misbehaviour.js';
import { listeningEndpoint } from './listening-endpoint.js';
import { untilInterrupted } from './until-interrupted.js';

const SERVICE = 'echo';
const PAYLOAD_PROTOCOL = 0xf001;

const REFUSALS = [
  'VERSION_UNSUPPORTED',
  'SERVICE_UNKNOWN',
  'BACKEND_SPAWN_FAILED',
  'RATE_LIMITED',
  'SHUTTING_DOWN',
  'PEER_REJECTED',
  'INTERNAL',
  'VERSION_BLOCKED',
  'FD_PRESSURE',
] as const satisfies readonly (keyof typeof RefusalCode)[];

/** `broker-pool serve broker`: an embedded broker, to try clients with. */
export const serveBroker = defineCommand({
  name: 'serve broker',
  description:
    'Serves as a broker, to try clients with, until Ctrl-C or SIGTERM, which end it with exit code 0. Prints ' +
    `where it listens. Without --service it serves ${SERVICE} ${DEFAULT_VERSION} with a backend of its own, ` +
    'which echoes bytes, and requests of payload protocol 0xf001.',
  options: {
    endpoint: value(
      'ENDPOINT',
      'where to listen; by default in a new temporary directory',
      listeningEndpoint,
      {
        isPath: true,
      },
    ),
    service: list(
      'NAME=ENDPOINT',
      'a service, and where its backend listens; as NAME@VERSION=ENDPOINT of that version alone; can be ' +
        'given several times',
      anyText,
    ),
    refuse: value('CODE', 'refuse every Hello', oneOf(REFUSALS), { choices: REFUSALS }),
    'retry-after': value('MS', 'what a refusal asks clients to wait', wholeNumber()),
    misbehave: value('HOW', 'answer wrongly', oneOf(MISBEHAVIOURS), { choices: MISBEHAVIOURS }),
  },
  json: 'where it listens and what it serves as JSON: {"endpoint","services":{…}}',
  async run({ values: { endpoint, service, refuse, misbehave, json, ...values } }, io) {
    if (refuse !== undefined && misbehave !== undefined)
      throw new UsageError('give either --refuse or --misbehave');
    const retryAfterMs = values['retry-after'];
    if (retryAfterMs !== undefined && refuse === undefined)
      throw new UsageError('--retry-after needs --refuse');
    const given = Object.fromEntries(service.map(parseService));
    const [{ EmbeddedBackend, canHandOff }, { EmbeddedBroker }, { RefusalCode: codes }] = await Promise.all([
      import('../../testing/embedded-backend.js'),
      import('../../testing/embedded-broker.js'),
      import('../../wire/messages.js'),
    ]);
    await using backend =
      service.length > 0
        ? undefined
        : await EmbeddedBackend.start({
            payloadProtocols: [PAYLOAD_PROTOCOL],
            onConnection: (socket) => void socket.pipe(socket),
            handoff: canHandOff() ? 'accept' : 'none',
          });
    const services: Record<string, EmbeddedService> =
      backend === undefined
        ? given
        : {
            [SERVICE]: {
              endpoint: backend.endpoint,
              version: DEFAULT_VERSION,
              handoffEndpoint: backend.handoffEndpoint,
            },
          };
    await using broker = await EmbeddedBroker.start({ endpoint, services }).catch(cannotListen);
    if (refuse !== undefined) {
      const reason = `broker-pool serve --refuse ${refuse}`;
      broker.behaviour = { kind: 'refuse', code: codes[refuse], reason, retryAfterMs: retryAfterMs ?? 0 };
    }
    if (misbehave !== undefined) {
      const { hello, admin } = behaviourFor(misbehave);
      broker.behaviour = hello;
      broker.adminBehaviour = admin;
    }
    announce(broker.endpoint, services, json, io);
    await untilInterrupted(io);
    return ExitCode.DONE;
  },
});

function cannotListen(error: unknown): never {
  // Errors of the package say what to do themselves.
  if (error instanceof BrokerPoolError || !(error instanceof Error)) throw error;
  const advice = 'end the program that listens there, or give another --endpoint';
  throw new CommandFailure(`cannot serve as a broker: ${error.message}; ${advice}`, ExitCode.FAILED);
}

function parseService(text: string): [string, EmbeddedService] {
  const [, name = '', version, endpoint = ''] = /^([^@=]+)(?:@([^=]+))?=(.+)$/.exec(text) ?? [];
  if (name === '')
    throw new UsageError(`--service must be NAME=ENDPOINT or NAME@VERSION=ENDPOINT, not ${quoted(text)}`);
  return [name, { endpoint: endpointArgument('--service', endpoint), version }];
}

function announce(
  endpoint: string,
  services: Readonly<Record<string, EmbeddedService>>,
  json: boolean,
  { stdout, stderr }: CommandIo,
): void {
  if (json) return printJson(stdout, { endpoint, services });
  const shown = shownEndpoint(endpoint);
  printLine(stdout, `broker   ${shown}`);
  for (const [name, { endpoint: at, version = 'any version' }] of Object.entries(services))
    printLine(stdout, `service  ${name}, ${version}, at ${shownEndpoint(at)}`);
  const [name = '', { version = '' } = {}] = Object.entries(services)[0] ?? [];
  if (stderr.isTTY !== true) return;
  const words = ['broker-pool connect', name, version, '--broker', shown].filter((word) => word !== '');
  printLine(stderr, `try      ${words.join(' ')}\nend      Ctrl-C`);
}
