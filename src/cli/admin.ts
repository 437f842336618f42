import { ADMIN_VERB_NAMES, type AdminRequestOptions, type AdminVerbName } from '../client/admin.js';
import { didYouMean } from '../did-you-mean.js';
import { quoted } from '../validation.js';
import { brokerOptions, brokerSettings, limitOption } from './broker-options.js';
import { defineCommand, printJson, UsageError } from './command.js';
import { value } from './option.js';
import { showWhile } from './progress.js';
import { anyText, wholeNumber } from './values.js';

/** `broker-pool admin`: exits with the broker's exit code. */
export const admin = defineCommand({
  name: 'admin',
  description: 'Asks a broker about itself, prints its answer and ends with its exit code.',
  parameters: [
    {
      name: 'VERB',
      help: 'the question, in upper or lower case; STATUS if left out',
      isOptional: true,
      choices: ADMIN_VERB_NAMES,
    },
  ],
  options: {
    ...brokerOptions,
    service: value('NAME', 'which service, for BACKEND_HEALTH', anyText),
    output: value('PATH', 'which file to name, for DIAGNOSE', anyText, { isPath: true }),
    'drain-deadline': value('MS', "for SHUTDOWN; today's brokers ignore it", wholeNumber()),
    timeout: limitOption('limit for connect and answer'),
  },
  json: 'JSON: that of the broker for STATUS, else its answer as {"verb","kind","contentType","exitCode","body"}',
  async run({ words: [verb = 'STATUS'], values }, { stdout, stderr, signal }) {
    const { json, service, output, timeout } = values;
    const request: AdminRequestOptions = {
      verb: verbOf(verb),
      json,
      signal,
      ...brokerSettings(values),
      ...(service !== undefined && { serviceName: service }),
      ...(output !== undefined && { outputPath: output }),
      ...(values['drain-deadline'] !== undefined && { drainDeadlineMs: values['drain-deadline'] }),
      ...(timeout !== undefined && { timeoutMs: timeout }),
    };
    const { sendAdminRequest } = await import('../client/admin.js');
    const answer = showWhile(stderr, 'waiting for the broker', sendAdminRequest(request));
    const { kind, body, exitCode, contentType } = await answer;
    if (json && kind !== 'json') printJson(stdout, { verb: request.verb, kind, contentType, exitCode, body });
    else stdout.write(body.endsWith('\n') ? body : `${body}\n`);
    return exitCode;
  },
});

/** Upper or lower case, with `-` or `_`. */
function verbOf(text: string): AdminVerbName {
  const wanted = text.toUpperCase().replaceAll('-', '_');
  const verb = ADMIN_VERB_NAMES.find((name) => name === wanted);
  if (verb !== undefined) return verb;
  throw new UsageError(
    `unknown verb ${quoted(text)}; one of ${ADMIN_VERB_NAMES.join(', ')}${didYouMean(wanted, ADMIN_VERB_NAMES)}`,
  );
}
