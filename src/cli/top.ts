import { onAbort } from '../abort.js';
import { LONGEST_TIMER_MS, systemClock, wallNowMs } from '../clock.js';
import { defineCommand, printJson, printLine, type CommandIo } from './command.js';
import { ExitCode } from './exit-codes.js';
import { flag, value } from './option.js';
import { report } from './report.js';
import { isColoured } from './style.js';
import type { Published, PublishingProcess } from './top/processes.js';
import { wholeNumber } from './values.js';

const DEFAULT_INTERVAL_MS = 1_000;
/** The width of an output that is no terminal: room for all columns. */
const WIDE = 140;
const SIGINT = 2;

/** `broker-pool top`: shows the pools of a process, again and again. */
export const top = defineCommand({
  name: 'top',
  description:
    'Shows the pools of a process, again and again: connections, waiting callers, acquires a second and how\n' +
    'long they wait. The process publishes them with publishPools of broker-pool/inspection.',
  parameters: [
    {
      name: 'PID',
      help: 'the process; may be left out where one process alone publishes its pools, else the processes are listed',
      isOptional: true,
    },
  ],
  options: {
    once: flag('print one table and end, after one interval, over which rates are taken'),
    interval: value(
      'MS',
      `time between two tables, ${DEFAULT_INTERVAL_MS} if left out`,
      wholeNumber({ min: 100, max: LONGEST_TIMER_MS }),
    ),
  },
  json: 'the counts of all processes, or of PID, as they are published: one line an interval, or with --once one line',
  notes:
    'On a terminal q and Ctrl-C end it; without one, tables follow each other. Exit code 3 where no process\n' +
    'publishes its pools.',
  async run({ words: [text], values }, io) {
    const pid = text === undefined ? undefined : wholeNumber({ min: 1 })('PID', text);
    const { readPublished } = await import('./top/processes.js');
    const { inspectionDirectory } = await import('../inspection/place.js');
    const directory = inspectionDirectory(io.env);
    const read = (id = pid): Promise<Published> => readPublished(directory, id);
    const found = await read();
    const { once, json } = values;
    for (const problem of found.problems) report(new Error(problem), 'top', json, io);
    const [first, ...others] = found.processes;
    if (first === undefined) {
      // The lines above say already why the process that was asked for cannot be read.
      if (pid !== undefined && found.problems.length > 0) return ExitCode.UNREACHABLE;
      const publishing = pid === undefined ? [] : (await readPublished(directory)).processes;
      report(new Error(nothingPublished(pid, publishing, directory)), 'top', json, io);
      return ExitCode.UNREACHABLE;
    }
    const intervalMs = values.interval ?? DEFAULT_INTERVAL_MS;
    if (json) return await printSnapshots(found, read, once ? undefined : intervalMs, io);
    if (others.length > 0) return await list(found.processes, io);
    return await watch(first, () => read(first.pid), { once, intervalMs }, io);
  },
});

/** @param publishing the processes that do publish */
function nothingPublished(
  pid: number | undefined,
  publishing: readonly PublishingProcess[],
  directory: string,
): string {
  const whose = pid === undefined ? 'no process publishes' : `process ${pid} does not publish`;
  const advice =
    publishing.length > 0
      ? `these do: ${publishing.map((process) => process.pid).join(', ')}`
      : 'call publishPools of broker-pool/inspection in the process that has them';
  return `${whose} its pools in ${directory}; ${advice}`;
}

async function printSnapshots(
  found: Published,
  read: () => Promise<Published>,
  intervalMs: number | undefined,
  { stdout, signal }: CommandIo,
): Promise<number> {
  for (let { processes } = found; processes.length > 0; { processes } = await read()) {
    printJson(stdout, {
      atUnixMs: wallNowMs(),
      processes: processes.map(({ pid, snapshots }) => ({ pid, threads: snapshots })),
    });
    if (intervalMs === undefined) break;
    await pause(intervalMs, signal);
    if (signal.aborted) break;
  }
  return ExitCode.DONE;
}

async function list(processes: readonly PublishingProcess[], { stdout, env }: CommandIo): Promise<number> {
  const { processTable } = await import('./top/frame.js');
  for (const line of processTable(processes, isColoured(stdout, env))) printLine(stdout, line);
  printLine(stdout, '\nbroker-pool top PID shows the pools of one.');
  return ExitCode.DONE;
}

/** Shows one process until it ends, or the user does. */
async function watch(
  first: PublishingProcess,
  read: () => Promise<Published>,
  { once, intervalMs }: { readonly once: boolean; readonly intervalMs: number },
  { stdin, stdout, stderr, env, signal }: CommandIo,
): Promise<number> {
  const { History } = await import('./top/history.js');
  const { takeSample, Snapshots } = await import('./top/sample.js');
  const { frameOf } = await import('./top/frame.js');
  const { Screen } = await import('./top/screen.js');
  const { shortDuration } = await import('./top/figures.js');
  const history = new History();
  const before = new Snapshots();
  const isLive = stdout.isTTY === true && !once;
  let sample = takeSample(first.snapshots, before);
  // A process that is busy for seconds is not gone.
  let isSilent = false;
  const ending = new AbortController();
  let exitCode: number = ExitCode.DONE;
  const lines = (): string[] =>
    frameOf(sample, history, {
      columns: stdout.columns ?? WIDE,
      rows: isLive ? (stdout.rows ?? 24) : Infinity,
      isColoured: isColoured(stdout, env),
      note: isSilent ? 'does not answer' : isLive ? `every ${shortDuration(intervalMs)}   q quits` : '',
      nowUnixMs: wallNowMs(),
    });
  const screen = new Screen(
    stdout,
    stdin,
    (key) => {
      if (key === 'ctrl-c') exitCode = ExitCode.SIGNAL + SIGINT;
      ending.abort();
    },
    () => screen.draw(lines()),
  );
  const stopListening = onAbort(signal, () => ending.abort());
  history.add(sample);
  try {
    if (isLive) screen.enter();
    for (let count = 0; ; count += 1) {
      if (isLive) screen.draw(lines());
      else if (!once || count > 0) stdout.write(`${lines().join('\n')}\n${once ? '' : '\n'}`);
      if (once && count > 0) return ExitCode.DONE;
      await pause(intervalMs, ending.signal);
      const { processes, problems } = await read();
      if (ending.signal.aborted) return exitCode;
      const [process] = processes;
      isSilent = process === undefined && problems.length > 0;
      if (process === undefined && !isSilent) break;
      if (process !== undefined) history.add((sample = takeSample(process.snapshots, before)));
    }
  } finally {
    stopListening();
    screen.leave();
  }
  printLine(stderr, `broker-pool top: process ${first.pid} publishes no pools any more`);
  return once ? ExitCode.UNREACHABLE : ExitCode.DONE;
}

/** Resolves after a time, or when the signal aborts. */
function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    let stopListening = (): void => {};
    const cancel = systemClock.schedule(
      delayMs,
      () => {
        stopListening();
        resolve();
      },
      true,
    );
    stopListening = onAbort(signal, () => {
      cancel();
      resolve();
    });
  });
}
