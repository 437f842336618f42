import { existsSync } from 'node:fs';
import base from './ava.config.js';

/**
 * What does not change where the C library is missing, and why. All other files run, new ones too. A path that does not
 * exist ends the run, so that a renamed folder does not stay here for nothing.
 */
const SAME_WITHOUT_FFI = {
  'bench/': 'arithmetic on measurements',
  'cli/admin.test.js': 'words and exit codes; its requests are those of client/',
  'cli/process-end.test.js': 'signals and output that cannot be written',
  'cli/endpoint.test.js': 'names, which no call of the C library gives',
  'cli/main.test.js': 'words and exit codes',
  'documents/': 'programs whose parts have tests of their own, and rules',
  'documents.test.js': 'reads documents',
  'hostile/bugs.test.js': 'reads the build',
  'hostile/frames.test.js': 'exchanges without sockets',
  'layers.test.js': 'reads sources',
  'negotiation/exchange/': 'the protocol without sockets',
  'package-tarball.test.js': 'packs files',
  'endpoint-cache/': 'files and no sockets',
  'pool/model/': 'a pool over a driver of the test',
  'types/': 'compiles programs',
  'wire/': 'bytes without sockets',
};

const leftOut = Object.keys(SAME_WITHOUT_FFI).map((path) => `dist/test/${path}`);
const missing = leftOut.filter((path) => !existsSync(path));
if (missing.length > 0) throw new Error(`no such tests: ${missing.join(', ')}`);

export default {
  ...base,
  files: [...base.files, ...leftOut.map((path) => `!${path.replace(/\/$/, '/**')}`)],
  environmentVariables: { ...base.environmentVariables, BROKER_POOL_FFI: '0' },
};
