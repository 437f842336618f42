export default {
  files: ['dist/test/interop/**/*.test.js'],
  workerThreads: false,
  // The first run builds the Rust program, which takes minutes.
  timeout: '15m',
  // Two cores: a broker, a backend and the tests of one file are enough at a time.
  concurrency: 1,
};
