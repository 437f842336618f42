export default {
  files: ['dist/test/package/**/*.test.js'],
  workerThreads: false,
  // Compilers and installs use all processors by themselves.
  serial: true,
  concurrency: 2,
  timeout: '4m',
};
