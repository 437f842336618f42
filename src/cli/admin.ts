import {
  ADMIN_VERB_NAMES,
  sendAdminRequest,
  type AdminRequestOptions,
  type AdminVerbName,
} from '../client/admin.js';
import type { TrustOptions } from '../index.js';
import {
  endpointArgument,
  parseParameters,
  printJson,
  UsageError,
  wholeNumber,
  type Command,
} from './command.js';

const USAGE = `broker-pool admin [VERB] [options]

Asks a broker about itself, prints its answer and ends with its exit code.

  VERB                       ${ADMIN_VERB_NAMES.slice(0, 5).join(', ')},
                             ${ADMIN_VERB_NAMES.slice(5).join(', ')}; STATUS if left out
  --broker ENDPOINT          where it listens; by default your shared broker
  --json                     JSON: that of the broker for STATUS, else its answer as
                             {"verb","kind","contentType","exitCode","body"}
  --service NAME             which service, for BACKEND_HEALTH
  --output PATH              which file to name, for DIAGNOSE
  --drain-deadline MS        for SHUTDOWN; today's brokers ignore it
  --timeout MS               limit for connect and answer;
                             by default RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS, else 30000
  --trust-user UID           another user who may run the broker; can be given several times
  --trust-shared-directories accept a socket in a directory such as /tmp
  -h, --help
`;

/** `broker-pool admin`: exits with the broker's exit code. */
export const admin: Command = {
  usage: USAGE,
  async run(parameters) {
    const request = requestOf(parameters);
    const { kind, body, exitCode, contentType } = await sendAdminRequest(request);
    if (request.json === true && kind !== 'json')
      printJson({ verb: request.verb, kind, contentType, exitCode, body });
    else process.stdout.write(body.endsWith('\n') ? body : `${body}\n`);
    return exitCode;
  },
};

function requestOf(parameters: string[]): AdminRequestOptions {
  const { values, positionals } = parseParameters({
    args: parameters,
    allowPositionals: true,
    options: {
      broker: { type: 'string' },
      json: { type: 'boolean', default: false },
      service: { type: 'string' },
      output: { type: 'string' },
      'drain-deadline': { type: 'string' },
      timeout: { type: 'string' },
      'trust-user': { type: 'string', multiple: true, default: [] },
      'trust-shared-directories': { type: 'boolean' },
    },
  });
  const [verb = 'STATUS', ...others] = positionals;
  if (others.length > 0) throw new UsageError(`one verb at a time: unexpected ${JSON.stringify(others[0])}`);
  const trust: TrustOptions = {
    userIds: values['trust-user'].map((text) => wholeNumber('--trust-user', text)),
  };
  if (values['trust-shared-directories'] !== undefined)
    trust.sharedDirectories = values['trust-shared-directories'];
  const request: AdminRequestOptions = { verb: verbOf(verb), json: values.json, trust };
  if (values.broker !== undefined) request.brokerEndpoint = endpointArgument(values.broker);
  if (values.service !== undefined) request.serviceName = values.service;
  if (values.output !== undefined) request.outputPath = values.output;
  if (values['drain-deadline'] !== undefined)
    request.drainDeadlineMs = wholeNumber('--drain-deadline', values['drain-deadline']);
  if (values.timeout !== undefined) request.timeoutMs = wholeNumber('--timeout', values.timeout, 1);
  return request;
}

/** Upper or lower case, with `-` or `_`. */
function verbOf(text: string): AdminVerbName {
  const wanted = text.toUpperCase().replaceAll('-', '_');
  const verb = ADMIN_VERB_NAMES.find((name) => name === wanted);
  if (verb !== undefined) return verb;
  throw new UsageError(`unknown verb ${JSON.stringify(text)}; one of ${ADMIN_VERB_NAMES.join(', ')}`);
}
