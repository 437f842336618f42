import type { Session } from '../frames/index.js';
import { brokerSettings, type brokerOptions } from './broker-options.js';
import { UsageError } from './command.js';
import { value, type ValuesOf } from './option.js';
import { targetOf } from './target.js';
import { identifier } from './values.js';

export const payloadProtocolOption = value(
  'ID',
  'the protocol of the payload, on which service and clients have agreed; such as 0xf001',
  identifier,
);

/** A session, and the pool below it. */
export interface OpenTarget {
  readonly session: Session;
  close(): Promise<void>;
}

type TargetValues = ValuesOf<typeof brokerOptions> & {
  readonly 'payload-protocol': number | undefined;
  readonly 'identity-file': string | undefined;
};

/**
 * Opens a session to the service that the command line names.
 *
 * @throws {UsageError} for words and options that do not go together
 */
export async function openTarget(
  words: readonly string[],
  values: TargetValues,
  { timeoutMs, connections = 1 }: { readonly timeoutMs: number; readonly connections?: number },
): Promise<OpenTarget> {
  const identityFile = values['identity-file'];
  const payloadProtocol = values['payload-protocol'];
  if (payloadProtocol === undefined) throw new UsageError('--payload-protocol is missing');
  if (identityFile === undefined && words.length === 0)
    throw new UsageError('SERVICE or --identity-file is missing');
  if (identityFile !== undefined && (words.length > 0 || values.broker !== undefined))
    throw new UsageError('--identity-file needs no broker: give neither SERVICE nor --broker');
  const { openSession } = await import('../frames/index.js');
  const { brokerEndpoint, trust } = brokerSettings(values);
  const options = { payloadProtocol, connections, timeoutMs };
  if (identityFile !== undefined) {
    const session = openSession(
      { identityFile },
      { ...options, ...(trust !== undefined && { trust }), probeTimeoutMs: timeoutMs },
    );
    return { session, close: () => session.close({ timeoutMs: 0 }) };
  }
  const { BrokerPool } = await import('../broker-pool.js');
  const pool = new BrokerPool({
    ...targetOf(words),
    ...(brokerEndpoint !== undefined && { brokerEndpoint }),
    ...(trust !== undefined && { trust }),
    max: connections,
    acquireTimeoutMs: timeoutMs,
    roundTripTimeoutMs: timeoutMs,
  });
  const close = async (session?: Session): Promise<void> => {
    await session?.close({ timeoutMs: 0 });
    await pool.close({ timeoutMs: 0 });
  };
  try {
    const session = openSession(pool, options);
    return { session, close: () => close(session) };
  } catch (error) {
    await close();
    throw error;
  }
}
