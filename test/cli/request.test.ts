import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { serveBackend } from '../../src/backend/index.js';
import { scaled } from '../helpers/patience.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';
import { SERVICE, startSystem } from '../helpers/system.js';
import { onWindows, onWine, testWhere, USER_ID } from '../helpers/test-where.js';
import { run, runIn, start } from './run.js';

const PROTOCOL = ['--payload-protocol', '0xf001'];
const onPosix = testWhere(!onWindows, 'backends of their own');

test('request sends the input, --data or a file, and prints the answer as it is', async (t) => {
  const { broker } = await startSystem(t, { backend: { payloadProtocols: [0xf001] } });
  const file = join(temporaryDirectory(t), 'request');
  writeFileSync(file, Uint8Array.of(0, 255, 10));
  const words = ['request', SERVICE, '1.0.0', ...PROTOCOL, '--broker', broker.endpoint];
  const byInput = await runIn({ stdin: 'by input' }, ...words);
  t.like(byInput, { exitCode: 0, stdout: 'by input' });
  t.regex(byInput.stderr, /^answered in [\d.]+ ms: 8 bytes\n$/);
  t.like(await run(...words, '--data', 'by option'), { exitCode: 0, stdout: 'by option' });
  const inBase64 = await run(...words, '--json', '--file', file);
  t.like(JSON.parse(inBase64.stdout), { base64: 'AP8K', bytes: 3 });
  const inText = await run(...words, '--json', '--data', 'grün');
  t.like(JSON.parse(inText.stdout), { text: 'grün', bytes: 5 });
});

onPosix('request reaches a backend by its identity file, without a broker', async (t) => {
  const directory = temporaryDirectory(t);
  const identityFile = join(directory, 'identity.json');
  await using backend = await serveBackend({
    endpoint: join(directory, 'backend.sock'),
    identityFile,
    payloadProtocols: [0xf001],
    onRequest: ({ payload }) => payload.toReversed(),
  });
  const result = await run('request', '--identity-file', identityFile, ...PROTOCOL, '--data', 'abc');
  t.like(result, { exitCode: 0, stdout: 'cba' });
  t.is(backend.stats().probes, 1);
});

test('request tells failures apart by its exit code', async (t) => {
  const { broker, backend } = await startSystem(t, {
    backend: { payloadProtocols: [0xf001], onRequest: () => new Promise<Uint8Array>(() => {}) },
  });
  const words = ['request', SERVICE, ...PROTOCOL, '--broker', broker.endpoint, '--data', 'x'];
  const lost = await run(...words, '--payload-protocol', '0xf002');
  t.like(lost, { exitCode: 6, stdout: '' });
  t.regex(lost.stderr, /does not serve this payload protocol\.\n$/);
  t.like(await run('request', 'unknown', ...words.slice(2)), { exitCode: 4 });
  // Behind the others, which have loaded what a request needs: the time must be up in the backend, not before.
  const late = await run(...words, '--timeout', String(scaled(300)), '--json');
  t.is(late.exitCode, 5);
  t.like(JSON.parse(late.stderr), { error: { code: 'TIMEOUT', phase: 'request' } });
  await backend.stop();
  t.like(await run(...words), { exitCode: 3 });
});

test('a request above 16 MiB is wrong usage', async (t) => {
  const { broker } = await startSystem(t, { backend: { payloadProtocols: [0xf001] } });
  const words = ['request', SERVICE, ...PROTOCOL, '--broker', broker.endpoint];
  // Without an end: it is not read to it.
  const stdin = new Readable({
    read() {
      this.push(Buffer.alloc(1024 * 1024));
    },
  });
  const { exitCode, stdout, stderr } = await runIn({ stdin }, ...words);
  t.deepEqual([exitCode, stdout], [2, '']);
  t.regex(stderr, /^broker-pool request: FRAME_TOO_LARGE: .* Send less than 16 MiB in a request\.\n/);
  const file = join(temporaryDirectory(t), 'request');
  writeFileSync(file, Buffer.alloc(16 * 1024 * 1024));
  t.like(await run(...words, '--file', file), { exitCode: 2, stdout: '' });
});

test('a user who interrupts request gets no error', async (t) => {
  const { broker, backend } = await startSystem(t, {
    backend: { payloadProtocols: [0xf001], onRequest: () => new Promise<Uint8Array>(() => {}) },
  });
  const words = ['request', SERVICE, ...PROTOCOL, '--broker', broker.endpoint];
  const inAnswer = new AbortController();
  const waiting = start([...words, '--data', 'x'], { signal: inAnswer.signal });
  await backend.until(() => backend.acceptedCount === 1);
  inAnswer.abort();
  t.deepEqual(await waiting.ended, { exitCode: 1, stdout: '', stderr: '' });
  const inInput = new AbortController();
  const reading = start(words, { signal: inInput.signal, stdin: new PassThrough() });
  inInput.abort();
  t.deepEqual(await reading.ended, { exitCode: 1, stdout: '', stderr: '' });
});

testWhere(!onWine, USER_ID)('request refuses what does not go together', async (t) => {
  const directory = temporaryDirectory(t);
  for (const [words, exitCode, complaint] of [
    [['echo'], 2, '--payload-protocol is missing'],
    [PROTOCOL, 2, 'SERVICE or --identity-file is missing'],
    [['echo', '--identity-file', 'x', ...PROTOCOL], 2, '--identity-file needs no broker'],
    [['echo', ...PROTOCOL, '--data', 'x', '--file', 'x'], 2, 'give either --data or --file'],
    [['echo', ...PROTOCOL, '--file', directory], 1, `cannot read ${directory}: `],
    [['echo', '--payload-protocol', '1'], 2, 'INVALID_ARGUMENT: --payload-protocol 0x0001 lies outside '],
  ] as const) {
    const result = await run('request', ...words);
    t.is(result.exitCode, exitCode, result.stderr);
    t.true(result.stderr.startsWith(`broker-pool request: ${complaint}`), result.stderr);
  }
});
