import { posix } from 'node:path';
import { printable, printableEndpoint, textOf } from '../../errors.js';
import { checkFile, checkFolder } from '../../os/endpoint-trust.js';
import { kindOf, look } from '../../os/trusted-file.js';
import { checkTrust } from '../../trust-option.js';
import { inCommandWords } from '../words.js';
import { brokerEndpointIn, knownBrokerEndpoint, type Examination } from './examination.js';
import { failure, ok, warning, type Finding } from './finding.js';

/** A backend that a broker launches listens at `rpb-v1-<16>-be-<32>.sock` beside the broker. */
const LONGEST_BACKEND_NAME = `rpb-v1-${'0'.repeat(16)}-be-${'0'.repeat(32)}.sock`;
const LONGEST_LINUX_PATH = 107;
const PRIVATE = 0o700;
const PERMISSIONS = 0o777;
const TRUST = 'see docs/security.md#endpoint-checks';

/** Checks that an endpoint can be derived, and that the names of backends fit beside it. */
export function checkEndpoint(examination: Examination): Finding[] {
  const { brokerEndpoint, platform } = examination;
  try {
    const endpoint = brokerEndpointIn(examination);
    const found = ok('broker endpoint', printableEndpoint(endpoint));
    // The names of macOS are hashed, and pipes have no directory.
    const isDerived = platform === 'linux' && brokerEndpoint === undefined;
    return isDerived ? [found, checkBudget(posix.dirname(endpoint))] : [found];
  } catch (error) {
    const advice = 'correct the variable, or name the endpoint with --broker and the option brokerEndpoint';
    return [failure('broker endpoint', textOf(error), advice)];
  }
}

/** L-25, A-26: the broker's own, shorter name may fit where those of backends do not. */
function checkBudget(directory: string): Finding {
  const length = Buffer.byteLength(posix.join(directory, LONGEST_BACKEND_NAME));
  const found = `endpoints of launched backends have ${length} of ${LONGEST_LINUX_PATH} bytes`;
  if (length <= LONGEST_LINUX_PATH) return ok('path budget', found);
  const excess = length - LONGEST_LINUX_PATH;
  const bytes = excess === 1 ? 'one byte' : `${excess} bytes`;
  return failure(
    'path budget',
    `${found}: the broker can launch no backend`,
    `set XDG_RUNTIME_DIR to a path that is ${bytes} shorter, for the broker and for clients`,
  );
}

/** Checks the directory of the broker's socket: there, private, and of a user whom the client trusts. */
export function checkDirectories(examination: Examination): Finding[] {
  const endpoint = knownBrokerEndpoint(examination);
  // Abstract names and pipes have none.
  if (endpoint?.startsWith('/') !== true || examination.platform === 'win32') return [];
  const directory = posix.dirname(endpoint);
  const stats = look(directory);
  if (stats === undefined) return [missing(directory)];
  const trust = checkTrust('trust', examination.trust);
  const problem = checkFolder(directory, trust);
  if (problem !== undefined)
    return [failure(printable(directory), `is not trusted: ${inCommandWords(problem)}`, TRUST)];
  // A link or a file that is trusted all the same.
  if (!stats.isDirectory())
    return [warning(printable(directory), `is ${kindOf(stats)}`, 'name the directory itself')];
  const mode = stats.mode & PERMISSIONS;
  const file = checkFile(endpoint, trust);
  return [
    mode === PRIVATE
      ? ok(printable(directory), 'is private, and all directories on its path are trusted')
      : warning(
          printable(directory),
          `has mode ${mode.toString(8)}, and brokers listen only where it is 700`,
          `chmod 700 ${printable(directory)}`,
        ),
    ...(file === undefined ? [] : [failure(printableEndpoint(endpoint), `is not trusted: ${file}`, TRUST)]),
  ];
}

/** N-10: the broker makes the last directory, and none above. */
function missing(directory: string): Finding {
  const parent = posix.dirname(directory);
  if (look(parent)?.isDirectory() === true)
    return ok(printable(directory), 'is not there yet: the broker makes it');
  const base = posix.dirname(parent);
  const isBaseThere = look(base)?.isDirectory() === true;
  return (isBaseThere ? warning : failure)(
    printable(directory),
    `cannot be made by the broker: ${printable(isBaseThere ? parent : base)} is no directory`,
    isBaseThere
      ? `mkdir -m 700 ${printable(parent)}`
      : 'log in with a session that has a runtime directory, or make one of your own with mode 700',
  );
}
