import { instanceBrokerEndpoint, serviceBrokerEndpoint, sharedBrokerEndpoint } from '../index.js';
import { parseParameters, UsageError, type Command } from './command.js';

const USAGE = `broker-pool endpoint [--service NAME | --instance NAME]

Prints where a broker of yours listens, whether it runs or not: the shared one, that of a service, or one with a name of its own.

  --service NAME
  --instance NAME
  -h, --help
`;

/** `broker-pool endpoint`: prints where a broker of this user listens (N-03, N-04). */
export const endpoint: Command = {
  usage: USAGE,
  async run(parameters) {
    const { values } = parseParameters({ args: parameters, options: { service: { type: 'string' }, instance: { type: 'string' } } });
    if (values.service !== undefined && values.instance !== undefined) throw new UsageError('give either --service or --instance');
    if (values.service !== undefined) console.log(serviceBrokerEndpoint(values.service));
    else if (values.instance !== undefined) console.log(instanceBrokerEndpoint(values.instance));
    else console.log(sharedBrokerEndpoint());
    return 0;
  },
};
