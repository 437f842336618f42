import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { ServerProcess } from '../../src/testing/server-process.js';
import { until } from '../helpers/leftovers.js';
import { Load } from '../helpers/load.js';
import { openPool } from '../helpers/pools.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';

const SERVICE = 'echo';
const VERSION = '1.0.0';
const CALLERS = 20;
const TIMEOUT_MS = 1_000;
/** More than any machine needs to get round to a timer. */
const PATIENCE_MS = 1_000;

/** A broker and a backend as processes that can be killed, and started again where they were. */
class Processes {
  readonly #directory: string;
  #broker: ServerProcess<unknown> | undefined;
  #backend: ServerProcess<unknown> | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  get target() {
    return { brokerEndpoint: this.#endpoint('broker'), serviceName: SERVICE, wantedVersion: VERSION };
  }

  async start(): Promise<void> {
    await Promise.all([this.startBackend(), this.startBroker()]);
  }

  async startBroker(): Promise<void> {
    const services = { [SERVICE]: { endpoint: this.#endpoint('backend'), version: VERSION } };
    this.#broker = await ServerProcess.start({ role: 'broker', directory: this.#directory, endpoint: this.#endpoint('broker'), services });
  }

  async startBackend(): Promise<void> {
    this.#backend = await ServerProcess.start({ role: 'backend', directory: this.#directory, endpoint: this.#endpoint('backend'), handoff: 'none' });
  }

  /** As a crash would: the socket file stays until somebody clears up. */
  async killBroker(): Promise<void> {
    await this.#broker?.kill();
  }

  async killBackend(): Promise<void> {
    await this.#backend?.kill();
  }

  /** What whoever starts a crashed server again has to do first. */
  clearUp(name: 'broker' | 'backend'): void {
    rmSync(this.#endpoint(name), { force: true });
  }

  async stop(): Promise<void> {
    await Promise.all([this.#broker?.stop(), this.#backend?.stop()]);
  }

  #endpoint(name: string): string {
    return join(this.#directory, `${name}.sock`);
  }
}

interface Outage {
  readonly kill: (processes: Processes) => Promise<unknown>;
  readonly restart: (processes: Processes) => Promise<unknown>;
  /** What callers may be told meanwhile. */
  readonly codes: readonly string[];
}

const outages: Readonly<Record<string, Outage>> = {
  'the broker': {
    kill: (processes) => processes.killBroker(),
    restart: (processes) => (processes.clearUp('broker'), processes.startBroker()),
    codes: ['BROKER_CONNECT', 'UNEXPECTED_EOF', 'FRAME_IO', 'TIMEOUT'],
  },
  'the backend': {
    kill: (processes) => processes.killBackend(),
    restart: (processes) => (processes.clearUp('backend'), processes.startBackend()),
    codes: ['BACKEND_CONNECT', 'TIMEOUT'],
  },
  both: {
    kill: (processes) => Promise.all([processes.killBroker(), processes.killBackend()]),
    restart: (processes) => {
      processes.clearUp('broker');
      processes.clearUp('backend');
      return processes.start();
    },
    codes: ['BROKER_CONNECT', 'BACKEND_CONNECT', 'UNEXPECTED_EOF', 'FRAME_IO', 'TIMEOUT'],
  },
};

async function startProcesses(t: ExecutionContext): Promise<Processes> {
  const processes = new Processes(temporaryDirectory(t));
  t.teardown(async () => {
    await processes.stop();
    processes.clearUp('broker');
    processes.clearUp('backend');
  });
  await processes.start();
  return processes;
}

for (const cached of [true, false]) {
  for (const [what, { kill, restart, codes }] of Object.entries(outages)) {
    test.serial(`${what} killed and started again under load, ${cached ? 'with' : 'without'} known endpoints: all is answered, and the pool is full again by itself`, async (t) => {
      const processes = await startProcesses(t);
      const pool = openPool(t, processes.target, { min: 4, max: 8, ...(cached ? {} : { endpointCache: false as const }) });
      await pool.warm();
      const load = new Load(pool, CALLERS, TIMEOUT_MS);
      t.true(await until(() => load.answers > 200));
      await kill(processes);
      const failures = load.errors.length + pool.stats().connectFailures;
      // With known endpoints a broker that is away is not even noticed.
      const unnoticed = cached && what === 'the broker';
      const answers = load.answers;
      t.true(await until(() => (unnoticed ? load.answers > answers + 200 : load.errors.length + pool.stats().connectFailures > failures)));
      await restart(processes);
      const before = load.answers;
      t.true(await until(() => load.answers > before + 200), 'callers are served again');
      await load.stop();
      t.true(await until(() => pool.stats().idle >= 4 && pool.stats().connecting === 0), 'nobody asks, and it is full');
      t.like(pool.stats(), { waiting: 0, leased: 0 });
      t.deepEqual([...load.codes].filter((code) => !codes.includes(code)), []);
      t.true(load.longestMs < TIMEOUT_MS + PATIENCE_MS, `an acquire took ${load.longestMs} ms`);
      if (unnoticed) t.is(load.errors.length, 0);
      t.log(`${load.answers} answers, ${load.errors.length} errors: ${[...load.codes].join(', ')}; longest acquire ${Math.round(load.longestMs)} ms`);
      await pool.close();
    });
  }
}
