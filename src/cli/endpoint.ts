import { instanceBrokerEndpoint, serviceBrokerEndpoint, sharedBrokerEndpoint } from '../client/endpoints.js';
import { parseParameters, printJson, shownEndpoint, UsageError, type Command } from './command.js';

const USAGE = `broker-pool endpoint [--service NAME | --instance NAME] [--json]

Prints where your broker listens, whether it runs or not: the shared one, that of a service, or that of
an instance.

  --service NAME   the broker that serves only this service
  --instance NAME  the broker that was started with this name
  --json           {"endpoint":"…"}
  -h, --help
`;

/** `broker-pool endpoint`: prints where a broker of this user listens. */
export const endpoint: Command = {
  usage: USAGE,
  async run(parameters) {
    const { values } = parseParameters({
      args: parameters,
      options: {
        service: { type: 'string' },
        instance: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    });
    if (values.service !== undefined && values.instance !== undefined)
      throw new UsageError('give either --service or --instance');
    const derived = derivedEndpoint(values.service, values.instance);
    if (values.json) printJson({ endpoint: derived });
    else console.log(shownEndpoint(derived));
    return 0;
  },
};

function derivedEndpoint(service: string | undefined, instance: string | undefined): string {
  if (service !== undefined) return serviceBrokerEndpoint(service);
  return instance === undefined ? sharedBrokerEndpoint() : instanceBrokerEndpoint(instance);
}
