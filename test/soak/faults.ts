import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { BrokerPool } from '../../src/index.js';
import { fakeTime } from './faked-time.js';
import type { Invariants } from './invariants.js';
import type { Load } from './load.js';
import type { Peer, Peers } from './peers.js';
import type { SoakPool } from './pools.js';
import type { Random } from './random.js';
import { nowMs } from './real-time.js';

/** The means to make faults. */
export interface FaultSurroundings {
  readonly random: Random;
  readonly peers: Peers;
  readonly pools: readonly SoakPool[];
  readonly load: Load;
  readonly invariants: Invariants;
  /** The mortal worker dies when this file is there. */
  readonly deathFile: string;
  /** What counts as long in this run: minutes in one of many minutes, else a good part of it. */
  readonly longMs: number;
}

export interface Fault {
  readonly name: string;
  /** The pool's promises about it, by id; see docs/reliability.md. */
  readonly promised: string;
  /** Injected in one of so many rounds, the first one included. @default 1 */
  readonly oneRoundIn?: number;
  /** Makes the fault, and settles when it is over. */
  inject(surroundings: FaultSurroundings): Promise<void>;
}

async function outage(peers: readonly Peer[], random: Random): Promise<void> {
  await Promise.all(peers.map((peer) => peer.kill()));
  await delay(random.between(10, 300));
  await Promise.all(peers.map((peer) => peer.start()));
}

async function standstill(peers: readonly Peer[], random: Random): Promise<void> {
  for (const peer of peers) peer.pause();
  await delay(random.between(30, 400));
  for (const peer of peers) peer.resume();
}

async function plant(peer: Peer, what: 'nothing' | 'directory' | 'file', random: Random): Promise<void> {
  peer.plant(what);
  await delay(random.between(10, 200));
  await peer.kill();
  await peer.start();
}

async function mischief(peer: Peer, random: Random): Promise<void> {
  peer.misbehave(random.pick([0.1, 0.5, 1]));
  await delay(random.between(100, 600));
  peer.misbehave(0);
}

/** Callers who give up soon: they leave a silent broker more requests than it may leave unanswered. */
async function impatience(brokerEndpoint: string, untilMs: number): Promise<void> {
  const pool = new BrokerPool({ brokerEndpoint, wantedVersion: '1.0.0', roundTripTimeoutMs: 20 });
  while (nowMs() < untilMs) {
    const services = Array.from({ length: 10 }, (_, index) => `impatient-${index}`);
    await Promise.allSettled(services.map((serviceName) => pool.acquire({ serviceName, timeoutMs: 50 })));
  }
  await pool.destroy();
}

async function silence({ broker }: Peers, longMs: number): Promise<void> {
  broker.fallSilent(true);
  await impatience(broker.endpoint, nowMs() + longMs);
  broker.fallSilent(false);
}

/** Faults of the peers: one at a time, since one peer can only be in one state. */
export const PEER_FAULTS: readonly Fault[] = [
  {
    name: 'broker killed and restarted',
    promised: 'G-01, G-13',
    inject: ({ peers, random }) => outage([peers.broker], random),
  },
  {
    name: 'backend killed and restarted',
    promised: 'G-01, G-13, G-18',
    inject: ({ peers, random }) => outage([random.pick(peers.backends)], random),
  },
  {
    name: 'broker and backends killed and restarted',
    promised: 'G-01, G-13',
    inject: ({ peers, random }) => outage([peers.broker, ...peers.backends], random),
  },
  {
    name: 'broker stopped and continued',
    promised: 'G-01, G-02, G-16',
    inject: ({ peers, random }) => standstill([peers.broker], random),
  },
  {
    name: 'backend stopped and continued',
    promised: 'G-01',
    inject: ({ peers, random }) => standstill([random.pick(peers.backends)], random),
  },
  {
    name: 'everything stopped and continued',
    promised: 'G-01, G-02',
    inject: ({ peers, random }) => standstill([peers.broker, ...peers.backends], random),
  },
  {
    name: "broker's socket file removed, then restarted",
    promised: 'G-01, G-13',
    inject: ({ peers, random }) => plant(peers.broker, 'nothing', random),
  },
  {
    name: "broker's socket turned into a directory",
    promised: 'G-01, G-13',
    inject: ({ peers, random }) => plant(peers.broker, 'directory', random),
  },
  {
    name: "broker's socket replaced by a file",
    promised: 'G-01, G-13',
    inject: ({ peers, random }) => plant(peers.broker, 'file', random),
  },
  {
    name: "backend's socket file removed, then restarted",
    promised: 'G-01, G-13',
    inject: ({ peers, random }) => plant(random.pick(peers.backends), 'nothing', random),
  },
  {
    name: 'broker lies, stalls and refuses',
    promised: 'G-02, G-04, G-05',
    inject: ({ peers, random }) => mischief(peers.broker, random),
  },
  {
    name: 'broker never answers, for long',
    promised: 'G-01, G-02, G-07, G-16',
    oneRoundIn: Infinity,
    inject: ({ peers, longMs }) => silence(peers, longMs),
  },
  {
    name: 'backend ends, resets and stalls',
    promised: 'G-01, G-18',
    inject: ({ peers, random }) => mischief(random.pick(peers.backends), random),
  },
];

async function abortMany({ load, random }: FaultSurroundings): Promise<void> {
  const abort = new AbortController();
  const acquires = Array.from({ length: 50 }, () => load.once(2_000, abort.signal));
  if (random.chance(0.7)) await delay(random.between(0, 20));
  abort.abort();
  await Promise.all(acquires);
}

async function askTogether(
  { load }: FaultSurroundings,
  count: number,
  timeoutMs: () => number,
): Promise<void> {
  await Promise.all(Array.from({ length: count }, () => load.once(timeoutMs())));
}

async function killThread({ deathFile }: FaultSurroundings): Promise<void> {
  writeFileSync(deathFile, '');
  await delay(50);
}

async function block(milliseconds: number): Promise<void> {
  const endMs = nowMs() + milliseconds;
  while (nowMs() < endMs);
}

async function fakeTimeForAWhile({ random }: FaultSurroundings): Promise<void> {
  const restore = fakeTime();
  await delay(random.between(50, 300));
  restore();
}

async function replacePool({ pools, random }: FaultSurroundings, how: 'close' | 'destroy'): Promise<void> {
  const old = random.pick(pools).replace();
  await (how === 'close' ? old.close({ timeoutMs: random.between(0, 300) }) : old.destroy());
}

async function clearPools({ pools, random }: FaultSurroundings): Promise<void> {
  for (const { pool } of pools) if (random.chance(0.5)) pool.clear();
}

/** Faults on this side; they happen beside those of the peers. */
export const OWN_FAULTS: readonly Fault[] = [
  { name: '`clear()` under load', promised: 'G-01, G-10', inject: clearPools },
  { name: '50 acquires aborted at once', promised: 'G-01, G-16', inject: abortMany },
  {
    name: '100 acquires with 1 to 20 ms each',
    promised: 'G-01',
    inject: (all) => askTogether(all, 100, () => all.random.between(1, 20)),
  },
  {
    name: '1,000 acquires at once',
    promised: 'G-01, G-10, G-11',
    inject: (all) => askTogether(all, 1_000, () => all.random.between(100, 1_500)),
  },
  { name: 'wait thread dies', promised: 'G-07, G-12', inject: killThread },
  {
    name: 'event loop blocked for 20 to 150 ms',
    promised: 'G-01',
    inject: ({ random }) => block(random.between(20, 150)),
  },
  { name: 'event loop blocked for 2 s', promised: 'G-01', oneRoundIn: 3, inject: () => block(2_000) },
  { name: 'timers and clocks faked for 50 to 300 ms', promised: 'G-01', inject: fakeTimeForAWhile },
  {
    name: '`close()` under load, and a new pool',
    promised: 'G-01, G-07',
    inject: (all) => replacePool(all, 'close'),
  },
  {
    name: '`destroy()` under load, and a new pool',
    promised: 'G-01, G-07, G-16',
    inject: (all) => replacePool(all, 'destroy'),
  },
];
