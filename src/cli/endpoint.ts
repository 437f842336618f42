import { parseArgs } from 'node:util';
import { instanceBrokerEndpoint, serviceBrokerEndpoint, sharedBrokerEndpoint } from '../client/endpoints.js';

/** `broker-pool endpoint`: prints where a broker of this user listens (N-03, N-04). */
export async function runEndpoint(parameters: string[]): Promise<number> {
  const { values } = parseArgs({ args: parameters, options: { service: { type: 'string' }, instance: { type: 'string' } } });
  if (values.service !== undefined && values.instance !== undefined) throw new Error('give either --service or --instance');
  if (values.service !== undefined) console.log(serviceBrokerEndpoint(values.service));
  else if (values.instance !== undefined) console.log(instanceBrokerEndpoint(values.instance));
  else console.log(sharedBrokerEndpoint());
  return 0;
}
