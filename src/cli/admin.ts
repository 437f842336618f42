import { parseArgs } from 'node:util';
import { sendAdminRequest, type AdminRequestOptions, type AdminVerbName } from '../client/admin.js';
import { AdminVerb } from '../wire/messages.js';

/** `broker-pool admin VERB`: prints the broker's answer and exits with its exit code. */
export async function runAdmin(parameters: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: parameters,
    allowPositionals: true,
    options: { broker: { type: 'string' }, service: { type: 'string' }, json: { type: 'boolean', default: false } },
  });
  const verb = (positionals[0] ?? 'STATUS').toUpperCase().replaceAll('-', '_');
  if (!isVerb(verb)) throw new Error(`unknown verb ${verb}; one of ${Object.keys(AdminVerb).slice(1).join(', ')}`);
  const options: AdminRequestOptions = { verb, json: values.json };
  if (values.broker !== undefined) options.brokerEndpoint = values.broker;
  if (values.service !== undefined) options.serviceName = values.service;
  const { body, exitCode } = await sendAdminRequest(options);
  process.stdout.write(body.endsWith('\n') ? body : `${body}\n`);
  return exitCode;
}

function isVerb(verb: string): verb is AdminVerbName {
  return verb !== 'UNSPECIFIED' && Object.hasOwn(AdminVerb, verb);
}
