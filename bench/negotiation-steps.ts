/**
 * Question: where does each microsecond of a negotiated connect go, for one caller on an idle event loop?
 *
 * The driver's system calls are watched: a negotiation opens two sockets, one for the broker and one for the
 * backend, and what lies between those calls are the steps. Real broker where the Rust program is built, else
 * the embedded one in processes of its own.
 */
import { systemClock } from '../src/clock.js';
import { BrokerPool } from '../src/index.js';
import type { Driver } from '../src/negotiation/job.js';
import { EventLoopDriver } from '../src/negotiation/event-loop/event-loop-driver.js';
import { WorkerDriver } from '../src/negotiation/wait-thread/worker-driver.js';
import { loadNative, type Native } from '../src/os/native.js';
import { spawnTestSystem } from '../src/testing/index.js';
import { buildInteropProgram, RealBroker } from '../test/interop/real-broker.js';

const CONNECTS = Number(process.env['CONNECTS'] ?? 3_000);

interface Target {
  readonly brokerEndpoint: string;
  readonly serviceName: string;
  readonly wantedVersion: string;
}

/** Times at which this thread made a system call of the connect path. */
class Watched {
  readonly opened: number[] = [];
  connected = 0;
  started = 0;
  settled = 0;

  /**
   * The same calls, each with a note of when. The ring's single call is inside `start`, between the first
   * open and its end.
   */
  native(native: Native): Native {
    const { system } = native;
    return {
      ...native,
      system: {
        ...system,
        openSocket: () => {
          this.opened.push(performance.now());
          return system.openSocket();
        },
        connect: (descriptor, address) => {
          const result = system.connect(descriptor, address);
          this.connected = performance.now();
          return result;
        },
      },
    };
  }

  driver(inner: Driver): Driver {
    return {
      name: inner.name,
      warm: () => inner.warm(),
      close: () => inner.close(),
      start: (job, settle) => {
        const release = inner.start(job, (outcome) => {
          this.settled = performance.now();
          settle(outcome);
        });
        this.started = performance.now();
        return release;
      },
    };
  }
}

type Steps = Record<string, number[]>;

function add(steps: Steps, name: string, milliseconds: number): void {
  (steps[name] ??= []).push(milliseconds * 1_000);
}

/** One connect after the other, each closed at once; the first tenth only warms up. */
async function measure(
  target: Target,
  create: (native: Native) => Driver,
  onThread: boolean,
): Promise<Steps> {
  const native = loadNative();
  if (native === undefined) throw new Error('this bench watches system calls, and there are none here');
  const watched = new Watched();
  const pool = new BrokerPool({ ...target, max: 1, endpointCache: false }, undefined, () =>
    watched.driver(create(watched.native(native))),
  );
  const steps: Steps = {};
  for (let time = -CONNECTS / 10; time < CONNECTS; time++) {
    watched.opened.length = 0;
    const beganAt = performance.now();
    const lease = await pool.acquire();
    const leasedAt = performance.now();
    lease.destroy();
    const [brokerAt = 0, backendAt = 0] = watched.opened;
    if (time < 0) continue;
    add(steps, 'pool and driver, before the first system call', brokerAt - beganAt);
    add(steps, 'connect to the broker, send, put on watch', watched.started - brokerAt);
    if (onThread) {
      add(
        steps,
        'broker, wait thread, backend connect, message, wrapping',
        watched.settled - watched.started,
      );
    } else {
      add(steps, 'broker; waking up, reading and decoding the reply', backendAt - watched.started);
      add(steps, 'connect to the backend', watched.connected - backendAt);
      add(steps, 'wrapping the descriptor in a net.Socket', watched.settled - watched.connected);
    }
    add(steps, 'outcome to lease', leasedAt - watched.settled);
    add(steps, 'total', leasedAt - beganAt);
  }
  await pool.close();
  return steps;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function print(title: string, steps: Steps): void {
  const total = median(steps['total'] ?? []);
  console.log(`\n${title}`);
  for (const [name, values] of Object.entries(steps)) {
    const middle = median(values);
    const share = ((middle / total) * 100).toFixed(0);
    console.log(`  ${middle.toFixed(1).padStart(7)} µs  ${share.padStart(3)} %  ${name}`);
  }
}

async function run(target: Target): Promise<void> {
  print(
    'waited for on the event loop',
    await measure(target, (native) => new EventLoopDriver(systemClock, native), false),
  );
  print(
    'waited for on the wait thread',
    await measure(
      target,
      (native) => new WorkerDriver(native, { fallback: new EventLoopDriver(systemClock, native) }),
      true,
    ),
  );
}

const built = buildInteropProgram();
if ('program' in built) {
  const real = await RealBroker.start(built.program);
  console.log('real broker; medians');
  await run({
    brokerEndpoint: real.endpoints.broker,
    serviceName: real.endpoints.service,
    wantedVersion: real.endpoints.version,
  });
  await real.stop();
} else {
  await using system = await spawnTestSystem({ handoff: 'none' });
  console.log('embedded broker; medians');
  await run(system.target);
}
