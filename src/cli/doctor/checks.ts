import { checkBroker, checkNegotiation } from './broker.js';
import { checkDefinitions } from './definitions.js';
import { checkDirectories, checkEndpoint } from './directories.js';
import { checkEndpointFile } from './endpoint-file.js';
import { checkEnvironment } from './environment.js';
import type { Examination } from './examination.js';
import { textOf } from '../../errors.js';
import { failure, type Finding } from './finding.js';
import { checkIdentities } from './identities.js';
import { checkFfi, checkLimits, checkNode, checkRing, checkThread } from './runtime.js';
import { checkSockets } from './sockets.js';

/** One check of `broker-pool doctor`. */
export interface Check {
  readonly name: string;
  /** For the documents: the subject of the check, and when it is a warning or a failure. */
  readonly looksAt: string;
  readonly warnsOf: string;
  readonly failsOn: string;
  /** The check is left out where this one has failed: it could only repeat the failure. */
  readonly needs?: string;
  readonly run: (examination: Examination) => readonly Finding[] | Promise<readonly Finding[]>;
}

/** All checks in their order. docs/doctor.md has one row for each. */
export const CHECKS: readonly Check[] = [
  {
    name: 'node',
    looksAt: 'the version of Node',
    warnsOf: '',
    failsOn: 'a version that is too old',
    run: checkNode,
  },
  {
    name: 'environment',
    looksAt: 'the variables `RUNNING_PROCESS_…`, `BROKER_POOL_…`, and those of directories',
    warnsOf: 'a broker that is switched off, values without effect, names that no program reads',
    failsOn: 'a value that makes calls fail',
    run: checkEnvironment,
  },
  {
    name: 'endpoint',
    looksAt:
      'where the broker should listen, and the length of the names that launched backends get beside it',
    warnsOf: '',
    failsOn: 'an endpoint that cannot be derived; a directory too long for backends',
    run: checkEndpoint,
  },
  {
    name: 'directories',
    looksAt: "the directory of the broker's socket and those on its path: owners, modes, links",
    warnsOf: 'a mode that brokers do not accept; a parent that the broker cannot make',
    failsOn: 'a directory or socket that clients do not trust; no runtime directory',
    run: checkDirectories,
  },
  {
    name: 'broker',
    looksAt: 'its answer to `STATUS`, one whole request whose reply is awaited',
    warnsOf: 'a broker that accepts no Hello, or runs out of descriptors',
    failsOn: 'no broker, a stale socket, silence, an answer that is none',
    run: checkBroker,
  },
  {
    name: 'negotiation',
    looksAt: 'with `SERVICE VERSION`: one connection to the backend, which the broker may launch for it',
    warnsOf: '',
    failsOn: 'a refusal, or a backend that cannot be reached',
    needs: 'broker',
    run: checkNegotiation,
  },
  {
    name: 'sockets',
    looksAt: "the kernel's list of listening sockets (Linux), beside the broker's socket",
    warnsOf: 'sockets at which no process listens',
    failsOn: '',
    run: checkSockets,
  },
  {
    name: 'definitions',
    looksAt: 'the service definitions of this user, as a broker reads them before a launch',
    warnsOf: 'no directory; no definition of `SERVICE`; a definition of version 2 in the way',
    failsOn: 'a mode that brokers refuse; what they cannot decode, allow or launch; a `VERSION` not allowed',
    run: checkDefinitions,
  },
  {
    name: 'identities',
    looksAt: 'identity files of services without a broker, their processes, and the answers to a probe',
    warnsOf: 'a file of a process that has ended; a file that others may replace',
    failsOn:
      'a file that cannot be read; a process that gives another identity; any fault of a `--identity-file`',
    run: checkIdentities,
  },
  {
    name: 'endpoint-file',
    looksAt: 'with `--endpoint-file`: whether pools can use that file of remembered endpoints',
    warnsOf: 'a file that is damaged, of a newer release, or not private',
    failsOn: '',
    run: checkEndpointFile,
  },
  {
    name: 'ffi',
    looksAt: 'whether koffi reaches the C library',
    warnsOf: 'no koffi',
    failsOn: '',
    run: checkFfi,
  },
  {
    name: 'io-uring',
    looksAt: 'whether a ring can be opened (Linux)',
    warnsOf: 'no ring',
    failsOn: '',
    run: checkRing,
  },
  {
    name: 'thread',
    looksAt: 'whether the wait thread starts',
    warnsOf: 'a thread that does not start',
    failsOn: '',
    run: checkThread,
  },
  {
    name: 'limits',
    looksAt: 'the limit of descriptors (Linux)',
    warnsOf: 'fewer than 256 to spare',
    failsOn: '',
    run: checkLimits,
  },
];

/** A finding, and the check that it is of. */
export interface CheckedFinding extends Finding {
  readonly check: string;
}

/**
 * Runs the checks one after the other, and gives the findings of each as soon as they are there.
 *
 * @param onCheck is told of each check that begins
 */
export async function* runChecks(
  examination: Examination,
  onCheck: (name: string) => void = () => {},
): AsyncGenerator<CheckedFinding> {
  const failed = new Set<string>();
  for (const check of CHECKS) {
    if (examination.signal?.aborted === true) return;
    if (check.needs !== undefined && failed.has(check.needs)) continue;
    onCheck(check.name);
    for (const finding of await findingsOf(check, examination)) {
      if (finding.verdict === 'failure') failed.add(check.name);
      yield { check: check.name, ...finding };
    }
  }
}

/** A check that throws must not keep the others from running. */
async function findingsOf({ name, run }: Check, examination: Examination): Promise<readonly Finding[]> {
  try {
    return await run(examination);
  } catch (error) {
    return [failure(name, `could not be checked: ${textOf(error)}`, 'report this as a fault')];
  }
}
