import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { scaled } from '../helpers/patience.js';
import test from '../helpers/sanitary.js';

const execute = promisify(execFile);
const INDEX = new URL('../../src/index.js', import.meta.url).href;

/** Runs a program in a Node that says it is Bun. */
async function runAsBun(program: string): Promise<unknown> {
  const code = `process.versions.bun = '1.4.5'; const { BrokerPool, sharedBrokerEndpoint } = await import('${INDEX}'); ${program}`;
  const { stdout } = await execute(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    timeout: scaled(20_000),
  });
  return JSON.parse(stdout);
}

test('a pool on Bun is refused with advice, and endpoints are named all the same', async (t) => {
  const program = `
    let error;
    try { new BrokerPool(); } catch (thrown) { error = thrown; }
    const endpoint = sharedBrokerEndpoint({ userHash: '0123456789abcdef' });
    console.log(JSON.stringify({ code: error?.code, message: error?.message, endpoint: typeof endpoint }));`;
  const { code, message, endpoint } = Object(await runAsBun(program));
  t.is(code, 'UNSUPPORTED_RUNTIME');
  t.regex(String(message), /does not run on Bun.*broker-pool\/connect$/);
  t.is(endpoint, 'string');
});
