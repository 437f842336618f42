import {
  instanceBrokerEndpoint,
  serviceBrokerEndpoint,
  sharedBrokerEndpoint,
} from '../broker-options/endpoints.js';
import { defineCommand, printJson, printLine, UsageError } from './command.js';
import { ExitCode } from './exit-codes.js';
import { value } from './option.js';
import { anyText, shownEndpoint } from './values.js';

/** `broker-pool endpoint`: prints where a broker of this user listens. */
export const endpoint = defineCommand({
  name: 'endpoint',
  description:
    'Prints where your broker listens, whether it runs or not: the shared one, that of a service, or that of ' +
    'an instance.',
  options: {
    service: value('NAME', 'the broker that serves only this service', anyText),
    instance: value('NAME', 'the broker that was started with this name', anyText),
  },
  json: '{"endpoint":"…"}',
  async run({ values: { service, instance, json } }, { stdout }) {
    if (service !== undefined && instance !== undefined)
      throw new UsageError('give either --service or --instance');
    const derived = derivedEndpoint(service, instance);
    if (json) printJson(stdout, { endpoint: derived });
    else printLine(stdout, shownEndpoint(derived));
    return ExitCode.DONE;
  },
});

function derivedEndpoint(service: string | undefined, instance: string | undefined): string {
  if (service !== undefined) return serviceBrokerEndpoint(service);
  return instance === undefined ? sharedBrokerEndpoint() : instanceBrokerEndpoint(instance);
}
