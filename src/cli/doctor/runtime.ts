import type { Examination } from './examination.js';
import { failure, ok, warning, type Finding } from './finding.js';
import { isBelow } from './versions.js';

/** As in `engines` of package.json. */
const OLDEST_NODE = '20.19.0';
/** A pool of ten connections, its thread and its files need some fifty; a service has files of its own. */
const FEW_DESCRIPTORS = 256;

export function checkNode({ host: { nodeVersion } }: Examination): Finding[] {
  return [
    isBelow(nodeVersion, OLDEST_NODE)
      ? failure('Node', `is ${nodeVersion}`, `use Node ${OLDEST_NODE} or newer`)
      : ok('Node', nodeVersion),
  ];
}

export function checkFfi({ host, platform }: Examination): Finding[] {
  if (platform === 'win32') return [ok('C library', 'is not used on Windows')];
  const problem = host.ffiProblem();
  if (problem === undefined) return [ok('C library', 'is reached through koffi')];
  return [
    warning(
      'C library',
      `cannot be reached: ${problem}; the users behind sockets are not checked, and connects are slower`,
      'unset BROKER_POOL_FFI, or install the package of koffi for this platform',
    ),
  ];
}

/** Left out where the C library cannot be reached: there is no ring without it. */
export function checkRing({ host, platform }: Examination): Finding[] {
  if (platform !== 'linux' || host.ffiProblem() !== undefined) return [];
  const problem = host.ringProblem();
  if (problem === undefined) return [ok('io_uring', 'sends each Hello together with its connect')];
  return [
    warning(
      'io_uring',
      `cannot be used: ${problem}; up to a quarter of the Hellos wait 5 ms more`,
      'needs Linux 6.12, and a container whose seccomp profile allows io_uring_setup',
    ),
  ];
}

/** Left out where the C library cannot be reached: the event loop then waits for all. */
export async function checkThread({ host, platform }: Examination): Promise<Finding[]> {
  if (platform === 'win32' || host.ffiProblem() !== undefined) return [];
  const problem = await host.threadProblem();
  if (problem === undefined) return [ok('wait thread', 'starts')];
  return [
    warning(
      'wait thread',
      `does not start: ${problem}; the event loop waits for all connects`,
      'see docs/bundlers.md, and the limits of threads and of permissions',
    ),
  ];
}

export function checkLimits({ host }: Examination): Finding[] {
  const descriptors = host.descriptors();
  if (descriptors === undefined) return [];
  const { limit, open } = descriptors;
  const found = `${open} of ${limit} are open in this process`;
  return [
    limit - open < FEW_DESCRIPTORS
      ? warning('descriptors', found, 'raise the limit: ulimit -n, or LimitNOFILE of the service')
      : ok('descriptors', found),
  ];
}
