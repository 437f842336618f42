import { debug, isDebugging } from '../../debug-log.js';
import { escaped, printableEndpoint, type BrokerPoolFailure } from '../../errors.js';
import { quoted } from '../../validation.js';
import type { PoolEventName, PoolEvents } from './events.js';

type Describe<Name extends PoolEventName> = (event: PoolEvents[Name]) => string;

/**
 * The events that explain why something does not work, in words. Leases are left out: with them, every acquire of an
 * idle connection would be published.
 */
const DESCRIPTIONS: { readonly [Name in PoolEventName]?: Describe<Name> } = {
  connectionCreated: ({ connectionId, target }) =>
    `connection ${connectionId} begins, ${
      target.brokerEndpoint === '' ? 'no broker' : `broker ${printableEndpoint(target.brokerEndpoint)}`
    }`,
  connectRetrying: ({ connectionId, attempt, delayMs, error }) =>
    `connection ${connectionId} tries again in ${ms(delayMs)}, attempt ${attempt} failed: ${failure(error)}`,
  connectionReady: ({ connectionId, route, endpoint, connectMs }) =>
    `connection ${connectionId} is ready after ${ms(connectMs)}, ${route}, endpoint ${printableEndpoint(endpoint)}`,
  connectionClosed: ({ connectionId, reason, wasReady, ageMs, uses, error }) => {
    const end = wasReady
      ? `closed as ${reason} after ${ms(ageMs)}, uses: ${uses}`
      : `failed after ${ms(ageMs)}`;
    return `connection ${connectionId} ${end}${error === undefined ? '' : `: ${failure(error)}`}`;
  },
  acquireFailed: ({ acquireId, waitMs, error }) =>
    `acquire ${acquireId} failed after ${ms(waitMs)}: ${failure(error)}`,
  leakSuspected: ({ acquireId, connectionId, heldMs, lost }) =>
    `lease ${acquireId} of connection ${connectionId} ${lost ? 'is lost' : 'is out'} after ${ms(heldMs)}`,
  cleared: () => 'the target is cleared',
  closed: ({ durationMs }) => `closed after ${ms(durationMs)}`,
};

/** Writes the line of an event; `undefined` for an event without one, and without `NODE_DEBUG=broker-pool`. */
export function debugWriter<Name extends PoolEventName>(
  name: Name,
): ((event: PoolEvents[Name]) => void) | undefined {
  const describe: Describe<Name> | undefined = DESCRIPTIONS[name];
  if (!isDebugging || describe === undefined) return undefined;
  return (event) => debug(() => `${subject(event)}: ${describe(event)}`);
}

/** The pool, and the target of an event that has one. */
function subject(event: PoolEvents[PoolEventName]): string {
  const pool = `pool ${quoted(event.pool)}`;
  return 'target' in event ? `${pool}, ${event.target.serviceName} ${event.target.wantedVersion}` : pool;
}

function failure({ code, message }: BrokerPoolFailure): string {
  return `${code}, ${escaped(message)}`;
}

function ms(duration: number): string {
  return `${duration.toFixed(1)} ms`;
}
