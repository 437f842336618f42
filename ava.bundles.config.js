export default {
  files: ['dist/test/bundles/**/*.test.js'],
  workerThreads: false,
  timeout: '2m',
};
