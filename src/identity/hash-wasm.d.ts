/** One algorithm of the package in a file of its own: 22 KiB in place of 600. Its types are those of the package. */
declare module 'hash-wasm/dist/blake3.umd.min.js' {
  const algorithm: Pick<typeof import('hash-wasm'), 'createBLAKE3'>;
  export default algorithm;
}
