import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { EnvironmentVariables } from '../../src/index.js';
import { POSIX, onWindows, testWhere } from '../helpers/test-where.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';
import { run, start, type CommandResult } from './run.js';

const PAGE = readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8');

/** A row of the table of errors. */
interface Way {
  readonly code: string;
  readonly isSaidByServe: boolean;
  readonly exitCode: number;
  readonly beside: string;
  readonly command: string;
}

const WAYS = [...PAGE.matchAll(/^\| `([A-Z_]+)`(.*?) \| (\d) \| (?:`(.*?)` )?\| `(.*?)` \|$/gm)].map(
  ([, code = '', by, exitCode, beside = '', command = '']): Way => ({
    code,
    isSaidByServe: by !== '',
    exitCode: Number(exitCode),
    beside,
    command,
  }),
);

/** The peer of a row. */
interface Peer {
  readonly endpoint: string;
  /** Ends it, and returns what it has said. */
  stop(): Promise<CommandResult>;
}

/** Starts the peer of a row; it ends with the test at the latest. */
async function startPeer(t: ExecutionContext, words: string): Promise<Peer> {
  const controller = new AbortController();
  const peer = start([...words.split(' '), '--json'], { signal: controller.signal });
  const stop = (): Promise<CommandResult> => {
    controller.abort();
    return peer.ended;
  };
  t.teardown(stop);
  const [line]: Buffer[] = await once(peer.stdout, 'data');
  const { endpoint }: { endpoint: string } = JSON.parse(String(line));
  return { endpoint, stop };
}

test('the page has twenty codes with the command that shows each', (t) => {
  t.is(WAYS.length, 20);
  t.is(new Set(WAYS.map(({ code }) => code)).size, 20);
});

for (const { code, isSaidByServe, exitCode, beside, command } of WAYS) {
  testWhere(
    !onWindows,
    POSIX,
    test.serial,
  )(`${code} comes as docs/cli.md says`, async (t) => {
    const directory = temporaryDirectory(t);
    const here = (text: string): string => text.replaceAll('DIR', directory);
    const [, value] = /^export RUNNING_PROCESS_DISABLE=(.*)$/.exec(beside) ?? [];
    const peer = beside === '' || value !== undefined ? undefined : await startPeer(t, here(beside));
    const words = here(command)
      .replace(/\bB\b/, peer?.endpoint ?? '')
      .split(' ');
    const result = await withDisabled(value, () => run(...words));
    t.is(result.exitCode, exitCode, result.stderr);
    if (isSaidByServe) t.like(JSON.parse((await peer?.stop())?.stderr ?? ''), { error: { code } });
    else t.regex(result.stderr, new RegExp(`^broker-pool [a-z ]+: ${code}: .+\\n`));
  });
}

/** Tests of this file run one after the other: a variable of the process is of all. */
async function withDisabled<T>(value: string | undefined, call: () => Promise<T>): Promise<T> {
  if (value === undefined) return await call();
  process.env[EnvironmentVariables.DISABLE] = value;
  try {
    return await call();
  } finally {
    delete process.env[EnvironmentVariables.DISABLE];
  }
}
