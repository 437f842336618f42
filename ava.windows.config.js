import base from './ava.config.js';
import { allFilesBut } from './ava.together.js';

/** What has nothing of Windows in it, or needs programs that Wine does not have, and why. All other files run. */
const LEFT_OUT = {
  'bench/': 'arithmetic on measurements, and builds',
  'documents/': 'runs the compiler',
  'documents.test.js': 'reads documents',
  'hostile/documents.test.js': 'reads documents',
  'hostile/frames.test.js': 'exchanges without sockets',
  'layers.test.js': 'reads sources',
  'mutations/': 'changes the build',
  'package-tarball.test.js': 'runs npm and git',
  'types/': 'runs the compiler',
};

export default {
  ...base,
  files: allFilesBut(Object.keys(LEFT_OUT), base, process.env.BROKER_POOL_TEST_NAMES === '1'),
  // Wine starts processes slowly, and one server does the work of the kernel for all of them.
  concurrency: 2,
  timeout: '10m',
};
