import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Fault, FaultSurroundings } from './faults.js';
import type { GuestReport, GuestTask } from './guest-task.js';
import { clearTimeout, setTimeout } from './real-time.js';

const ENTRY = fileURLToPath(new URL('guest.js', import.meta.url));
const ENDS_THREADS = new URL('ends-threads.js', import.meta.url).href;
/** A guest that has not ended by then hangs. */
const GUEST_LIMIT_MS = 30_000;

/** Under Node's permission model no thread can be created unless that is allowed. */
const PERMISSION = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission';
const WITHOUT_WORKERS = [PERMISSION, '--allow-fs-read=*', '--allow-fs-write=*', '--allow-addons'];

type During = (child: ChildProcess, surroundings: FaultSurroundings) => Promise<void>;

/**
 * Runs a guest: what it found broken is broken here, and it must end by itself although its pools are open.
 */
async function guest(
  surroundings: FaultSurroundings,
  nodeOptions: readonly string[],
  during: During = async () => {},
): Promise<void> {
  const { random, peers, invariants } = surroundings;
  const task: GuestTask = {
    brokerEndpoint: peers.broker.endpoint,
    services: peers.services,
    seed: random.between(1, 2 ** 31),
    loadMs: random.between(200, 1_000),
  };
  const child = spawn(process.execPath, [...nodeOptions, ENTRY, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const limit = setTimeout(() => child.kill('SIGKILL'), GUEST_LIMIT_MS);
  let report: GuestReport | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'begun') void during(child, surroundings);
    else report = JSON.parse(line);
  }
  const [code, signal]: unknown[] = await exited;
  clearTimeout(limit);
  for (const violation of report?.violations ?? [])
    invariants.violate(`in a guest ${nodeOptions.join(' ')}: ${violation}`);
  invariants.check(report !== undefined, () => `a guest ${nodeOptions.join(' ')} gave no report`);
  invariants.check(code === 0, () => `a guest ${nodeOptions.join(' ')} ended with ${String(code ?? signal)}`);
}

async function stopAndContinue(child: ChildProcess, { random }: FaultSurroundings): Promise<void> {
  await delay(random.between(0, 300));
  child.kill('SIGSTOP');
  await delay(2_000);
  child.kill('SIGCONT');
}

/** Programs beside this one, with pools of their own for the same broker. */
export const GUEST_FAULTS: readonly Fault[] = [
  { name: 'a program ends with its pools open', promised: 'G-09', inject: (all) => guest(all, []) },
  {
    name: 'a program is stopped for 2 s and continued',
    promised: 'G-01, G-09',
    inject: (all) => guest(all, [], stopAndContinue),
  },
  {
    name: 'a program whose threads end before they are ready',
    promised: 'G-01, G-09, G-12',
    inject: (all) => guest(all, ['--import', ENDS_THREADS]),
  },
  {
    name: 'a program that may not start a thread',
    promised: 'G-01, G-09, G-12',
    inject: (all) => guest(all, WITHOUT_WORKERS),
  },
];
