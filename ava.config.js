export default {
  files: ['dist/test/**/*.test.js', '!dist/test/bundles/**', '!dist/test/interop/**'],
  // Each test file is a process of its own, so that its descriptors and threads can be counted.
  workerThreads: false,
  timeout: '60s',
};
