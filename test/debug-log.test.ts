import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { scaled } from './helpers/patience.js';
import test from './helpers/sanitary.js';

const execute = promisify(execFile);
const PROGRAM = fileURLToPath(new URL('debugged-program.js', import.meta.url));
const LIMIT_MS = scaled(40_000);

/** The lines that the program writes to stderr, without the prefix of Node. */
async function linesWith(environment: NodeJS.ProcessEnv): Promise<{ lines: string[]; token: string }> {
  const { stdout, stderr } = await execute(process.execPath, [PROGRAM], {
    // Without the warnings that the lines repeat.
    env: { ...process.env, ...environment, NODE_NO_WARNINGS: '1' },
    timeout: LIMIT_MS,
  });
  const lines = stderr.split('\n').filter((line) => line !== '');
  return { lines: lines.map((line) => line.replace(/^BROKER-POOL \d+: /, '')), token: stdout.trim() };
}

test('without NODE_DEBUG a program with failures writes nothing', async (t) => {
  t.deepEqual((await linesWith({ NODE_DEBUG: '' })).lines, []);
});

test('NODE_DEBUG=broker-pool tells a life of a pool and of a one-shot connect, without the token', async (t) => {
  const { lines, token } = await linesWith({ NODE_DEBUG: 'broker-pool' });
  const told = lines.join('\n');
  const expected = [
    /^pool "debugged", demo 1\.0\.0: connection 1 begins, broker /,
    /^pool "debugged", demo 1\.0\.0: connection 1 tries again in \d+\.\d ms, attempt 1 failed: REFUSED, .*too many/,
    /^pool "debugged", demo 1\.0\.0: connection 1 is ready after \d+\.\d ms, broker-negotiated, endpoint /,
    /^pool "debugged", demo 1\.0\.0: connection 1 closed as invalid after \d+\.\d ms, uses: 1$/,
    /^endpoint \S+ is forgotten$/,
    /^pool "debugged", demo 1\.0\.0: connection 2 failed after \d+\.\d ms: REFUSED, /,
    /^pool "debugged", demo 1\.0\.0: acquire \d+ failed after \d+\.\d ms: REFUSED, /,
    /^ENDPOINT_FILE_\w+: the endpoint cache "\S+" cannot be /,
    /^pool "debugged": closing$/,
    /^pool "debugged": closed after \d+\.\d ms$/,
    /^one-shot connect demo 1\.0\.0 broker \S+ begins$/,
    /^one-shot connect demo 1\.0\.0 broker \S+ is done after \d+\.\d ms$/,
    /^connected by broker-negotiated, endpoint /,
  ];
  for (const line of expected)
    t.true(
      lines.some((one) => line.test(one)),
      `${line}\n${told}`,
    );
  t.regex(token, /^[0-9a-f]{16,}$/);
  for (const secret of [
    token,
    Buffer.from(token, 'hex').toString('latin1'),
    Buffer.from(token, 'hex').toString('base64'),
  ])
    t.false(told.includes(secret));
});
