import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import base from './ava.config.js';
import { allFilesBut } from './ava.together.js';

/** The longest ones begin first, so that none of them runs alone at the end. */
const LONGEST = [
  'together/faults',
  'together/thread-faults',
  'package-tarball',
  'together/hostile',
  'pool/process-end/process-end',
  'pool/without-thread',
  'together/threads',
  'together/sharing',
  'hostile/drivers',
  'cli/process-end',
  'documents/programs',
  'together/processes',
  'together/servers',
  'together/programs',
  'together/backend',
  'together/drivers',
  'together/leases',
  'together/wait-thread',
  'together/texts',
  'together/rules',
  'together/frames',
  'pool/model/planted-faults',
].map((name) => `dist/test/${name}.test.js`);
const missing = LONGEST.filter((path) => !existsSync(path));
if (missing.length > 0) throw new Error(`no such tests: ${missing.join(', ')}`);

/** Where a file is in the order. Paths come absolute, and with the separators of the platform. */
function place(file) {
  const index = LONGEST.findIndex((path) => file.replaceAll('\\', '/').endsWith(path));
  return index < 0 ? LONGEST.length : index;
}

// Many tests wait for timers and other processes, the longest ones most of all.
const concurrency = availableParallelism() + 3;

/**
 * The whole suite, as `npm test` runs it. Of a small test file most of the time is the start of its process, so that
 * those whose tests leave each other alone share one: each file in test/together imports some. A new test file has a
 * process of its own until it is added to one of them.
 */
export default {
  ...base,
  concurrency,
  environmentVariables: {
    ...base.environmentVariables,
    // Where `npm test` leaves the modules that it joins. Other runs by this configuration join none.
    BROKER_POOL_TEST_MODULES: 'dist/modules',
    // The linter runs beside them.
    BROKER_POOL_TEST_LEAST_PATIENCE: String((concurrency + 1) / availableParallelism()),
  },
  sortTestFiles: (one, other) => place(one) - place(other) || one.localeCompare(other),
  files: allFilesBut([], base, false),
};
