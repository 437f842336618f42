import base from './ava.config.js';
import { allFilesBut } from './ava.together.js';

/** What needs programs that only the machine's own Node finds, and why. All other files run. */
const LEFT_OUT = {
  'bench/': 'arithmetic on measurements, and builds',
  'documents/': 'runs the compiler',
  'documents.test.js': 'reads documents',
  'layers.test.js': 'reads sources',
  'mutations/': 'changes the build',
  'package-tarball.test.js': 'runs npm and git',
  'types/': 'runs the compiler',
};

export default {
  ...base,
  files: allFilesBut(Object.keys(LEFT_OUT), base, process.env.BROKER_POOL_TEST_NAMES === '1'),
  concurrency: 2,
  timeout: '20m',
};
