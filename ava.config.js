import { availableParallelism } from 'node:os';

// One more than the processors: many tests wait for timers and other processes.
const concurrency = availableParallelism() + 1;

export default {
  files: [
    'dist/test/**/*.test.js',
    '!dist/test/bundles/**',
    '!dist/test/interop/**',
    '!dist/test/package/**',
    '!dist/test/together/**',
  ],
  // Each test file is a process of its own, so that its descriptors and threads can be counted.
  workerThreads: false,
  concurrency,
  // A test file in which nothing ends for so long hangs. Far more than a test takes on a machine that is busy.
  timeout: '4m',
  // No test reaches a TLS server. Where this names the system's certificates, each of the 300 processes of the suite
  // reads all of them at its start, which takes more time than the rest of that start.
  environmentVariables: {
    NODE_EXTRA_CA_CERTS: '',
    BROKER_POOL_TEST_LEAST_PATIENCE: String(concurrency / availableParallelism()),
  },
};
