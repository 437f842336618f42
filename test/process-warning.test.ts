import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { loadNative } from '../src/os/native.js';
import { endpointIn } from './helpers/endpoints.js';
import test from './helpers/sanitary.js';
import { onWindows, testWhere } from './helpers/test-where.js';

const run = promisify(execFile);
const INDEX = new URL('../src/index.js', import.meta.url).href;
const NATIVE = new URL('../src/os/native.js', import.meta.url).href;
const SEND = new URL('../src/os/socket.js', import.meta.url).href;
const BROKER = endpointIn('/run', 'broker');

/** The output of a process that reads its environment more than once. */
async function warningsWith(env: Record<string, string>): Promise<string> {
  const script = `
    const { BrokerPool } = await import(${JSON.stringify(INDEX)});
    for (let i = 0; i < 2; i++) await new BrokerPool({ brokerEndpoint: ${JSON.stringify(BROKER)} }).close();
    const { loadNative } = await import(${JSON.stringify(NATIVE)});
    const { connectAndSend } = await import(${JSON.stringify(SEND)});
    const native = loadNative();
    if (native !== undefined) connectAndSend(native, '/nowhere/at/all.sock', new Uint8Array(1));
  `;
  const { stderr } = await run(process.execPath, ['--input-type=module', '--eval', script], {
    env: { ...process.env, ...env },
  });
  return stderr;
}

/** Only the C library's user on Linux reads the switch of the ring. */
const hasRingSwitch = process.platform === 'linux' && loadNative() !== undefined;

for (const [name, value] of [
  ['RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS', 'abc'],
  ['RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS', '0'],
  ['BROKER_POOL_FFI', 'off'],
  ['BROKER_POOL_IO_URING', 'false'],
] as const) {
  const isRead = name === 'BROKER_POOL_FFI' ? !onWindows : name !== 'BROKER_POOL_IO_URING' || hasRingSwitch;
  const where = testWhere(isRead, 'a platform that reads the variable');
  where(`${name}=${value} has no effect, and one warning says so`, async (t) => {
    const printed = await warningsWith({ [name]: value });
    t.is(printed.split(`${name}=${value} has no effect`).length, 2, printed);
  });
}

test('values that are good, and empty ones, make no warning', async (t) => {
  t.is(
    await warningsWith({
      RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS: ' 250 ',
      BROKER_POOL_FFI: '1',
      BROKER_POOL_IO_URING: '',
    }),
    '',
  );
  t.is(
    await warningsWith({
      RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS: '',
      BROKER_POOL_FFI: '',
      BROKER_POOL_IO_URING: '0',
    }),
    '',
  );
});
