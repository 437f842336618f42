/** The submission ring when its calls fail. */
import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { connectAndSend } from '../../src/os/socket.js';
import { errno } from '../../src/os/errno.js';
import { loadNative, type Binder, type Native, type NativeFunction } from '../../src/os/native.js';
import { hasRing } from '../helpers/ring.js';
import { temporaryDirectory } from '../helpers/sanitary.js';
import { testWhere } from '../helpers/test-where.js';

const native = loadNative();
const ringTest = testWhere(hasRing(native), 'io_uring');
const run = promisify(execFile);

const REQUEST = Buffer.from('a request');
const IO_URING_SETUP = 425;
const IO_URING_ENTER = 426;
/** Connect and send are submitted together. */
const BOTH = 2;
/** The flags of the first `struct io_uring_sqe`: u8 at 1. */
const SQE_FLAGS = 1;

/** A thread's calls, with every system call of its ring going through `intercept`. */
function nativeWith(
  intercept: (number: unknown, call: () => number, values: unknown[]) => number,
): Native & { readonly binder: Binder } {
  if (native?.binder === undefined) throw new Error('no C library here');
  const { binder } = native;
  const define = (declaration: string): NativeFunction => {
    const call = binder.define(declaration);
    if (!declaration.includes(' syscall(')) return call;
    return (...values) => intercept(values[0], () => call(...values), values);
  };
  return { ...native, binder: { ...binder, define } };
}

async function listen(t: ExecutionContext): Promise<string> {
  const endpoint = `${temporaryDirectory(t)}/listener.sock`;
  const server = createServer((socket) => socket.on('error', () => {}).resume());
  await new Promise<void>((resolve) => server.listen(endpoint, resolve));
  t.teardown(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return endpoint;
}

/** Connects once; the request must have gone with it, by whatever means. */
function connectOnce(t: ExecutionContext, calls: Native, endpoint: string): void {
  const attempt = connectAndSend(calls, endpoint, REQUEST);
  if (attempt.descriptor === undefined) return t.fail();
  t.is(attempt.sent, REQUEST.length);
  calls.system.close(attempt.descriptor);
}

for (const [number, call] of [
  [IO_URING_SETUP, 'io_uring_setup'],
  [IO_URING_ENTER, 'io_uring_enter'],
] as const) {
  for (const [code, tries] of [
    ['EMFILE', 3],
    ['ENFILE', 3],
    ['ENOMEM', 3],
    ['EAGAIN', 3],
    ['ENOSYS', 1],
    ['EPERM', 1],
    ['EACCES', 1],
    ['EINVAL', 1],
  ] as const) {
    ringTest(
      `${call} that fails with ${code} is ${tries === 1 ? 'permanent, and the kernel is not asked again' : 'temporary, and the next connect tries again'}`,
      async (t) => {
        const endpoint = await listen(t);
        let asked = 0;
        const calls = nativeWith((called, real) => {
          if (called !== number) return real();
          asked += 1;
          return -(errno[code] ?? 0);
        });
        for (let time = 0; time < 3; time += 1) connectOnce(t, calls, endpoint);
        t.is(asked, tries);
      },
    );
  }
}

ringTest('BROKER_POOL_IO_URING=0 switches the ring off', async (t) => {
  const [ring, loadedFrom] = ['io-uring.js', 'native.js'].map((file) =>
    JSON.stringify(new URL(`../../src/os/${file}`, import.meta.url).href),
  );
  const script = `const { ringOf } = await import(${ring}); const { loadNative } = await import(${loadedFrom});
    console.log(ringOf(loadNative()) !== undefined);`;
  for (const value of ['0', '1']) {
    const env = { ...process.env, BROKER_POOL_IO_URING: value };
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], { env });
    t.is(stdout.trim(), String(value === '1'));
  }
});

for (const [title, says] of [
  ['a kernel that takes the connect and not the send', 1],
  ['a kernel that takes both and is never done with the send', 2],
] as const) {
  ringTest(`${title} is not asked for it for ever`, async (t) => {
    const endpoint = await listen(t);
    const views: Uint8Array[] = [];
    let entered = 0;
    const calls = nativeWith((called, real, values) => {
      if (called !== IO_URING_ENTER) return real();
      entered += 1;
      if (entered > 100) throw new Error('asked for ever');
      if (values[2] !== BOTH) return real();
      // The connect alone, linked to nothing: the kernel does it at once.
      values[2] = 1;
      views.at(-1)?.fill(0, SQE_FLAGS, SQE_FLAGS + 1);
      return real() === 1 ? says : -1;
    });
    const view = (address: number, bytes: number): ArrayBuffer => {
      const memory = calls.binder.view(address, bytes);
      views.push(new Uint8Array(memory));
      return memory;
    };
    const attempt = connectAndSend({ ...calls, binder: { ...calls.binder, view } }, endpoint, REQUEST);
    if (attempt.descriptor === undefined) return t.fail();
    t.is(attempt.sent, 0, 'the caller sends by other means');
    calls.system.close(attempt.descriptor);
  });
}
