import { posix } from 'node:path';
import { readdirSync } from 'node:fs';
import { printable } from '../../errors.js';
import { look } from '../../os/trusted-file.js';
import { knownBrokerEndpoint, type Examination } from './examination.js';
import { ok, warning, type Finding } from './finding.js';

const NAME = /^rpb-v1-.*\.sock$/;
const MOST_NAMED = 3;

/**
 * Looks for sockets beside the broker's that no process listens at. Only the kernel is asked: a connect would end
 * a registered broker.
 */
export function checkSockets(examination: Examination): Finding[] {
  const endpoint = knownBrokerEndpoint(examination);
  const listening = examination.host.listeningNames();
  if (endpoint?.startsWith('/') !== true || listening === undefined) return [];
  const directory = posix.dirname(endpoint);
  const sockets = namesIn(directory)
    .filter((name) => NAME.test(name))
    .map((name) => posix.join(directory, name))
    .filter((path) => look(path)?.isSocket() === true);
  // The check that asks the broker reports the broker's own socket.
  // By name: the kernel knows the path by which the process has bound it, which may lead through links.
  const stale = sockets.filter((path) => path !== endpoint && !listening.has(posix.basename(path)));
  const subject = printable(directory);
  if (stale.length === 0)
    return sockets.length === 0 ? [] : [ok(subject, `processes listen at all sockets: ${sockets.length}`)];
  const named = stale.slice(0, MOST_NAMED).map((path) => printable(posix.basename(path)));
  const more = stale.length > MOST_NAMED ? ` and ${stale.length - MOST_NAMED} more` : '';
  return [
    warning(
      subject,
      `no process of this network namespace listens at ${named.join(', ')}${more}`,
      'remove them: dead brokers and backends leave their sockets',
    ),
  ];
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
