import type { TrustOptions } from '../trust-option.js';
import { flag, list, value, type ValueOption, type ValuesOf } from './option.js';
import { endpointArgument, milliseconds, wholeNumber } from './values.js';

/** Options of every command that reaches a broker. */
export const brokerOptions = {
  broker: value('ENDPOINT', 'where the broker listens; by default your shared broker', endpointArgument, {
    isPath: true,
  }),
  'trust-user': list(
    'UID',
    'another user who may run the broker and backends; can be given several times',
    wholeNumber(),
  ),
  'trust-shared-directories': flag('accept a socket in a directory such as /tmp'),
};

/** The options of the package's functions that stand for {@link brokerOptions}. */
export function brokerSettings(values: ValuesOf<typeof brokerOptions>): {
  brokerEndpoint?: string;
  trust?: TrustOptions;
} {
  const userIds = values['trust-user'];
  const sharedDirectories = values['trust-shared-directories'];
  const trust: TrustOptions = {
    ...(userIds.length > 0 && { userIds }),
    ...(sharedDirectories && { sharedDirectories }),
  };
  return {
    ...(values.broker !== undefined && { brokerEndpoint: values.broker }),
    ...(Object.keys(trust).length > 0 && { trust }),
  };
}

/** `--timeout`, with the default of every call to a broker. */
export function limitOption(what: string): ValueOption<number, 'value'> {
  return value(
    'MS',
    `${what}; by default RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS, else 30000`,
    milliseconds,
  );
}
