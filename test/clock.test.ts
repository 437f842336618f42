import { MessageChannel, Worker } from 'node:worker_threads';
import { monotonicNowMs, systemClock } from '../src/clock.js';
import test from './helpers/sanitary.js';
import { stall } from './helpers/stall.js';

/** On some virtual machines the processors' clocks differ by microseconds. */
const SLACK_MS = 1;

test('1,000 readings of the clock in one turn do not go backwards by more than a millisecond', (t) => {
  let last = monotonicNowMs();
  for (let count = 0; count < 1_000; count++) {
    const now = systemClock.now();
    if (now < last - SLACK_MS) t.fail(`${now} after ${last}`);
    last = now;
  }
  t.pass();
});

test("another thread's clock says the same, so that deadlines may cross threads", async (t) => {
  const source = `
    const { parentPort } = require('node:worker_threads');
    import(${JSON.stringify(new URL('../src/clock.js', import.meta.url).href)}).then(({ monotonicNowMs }) => {
      parentPort.postMessage(monotonicNowMs());
    });`;
  const before = monotonicNowMs();
  const worker = new Worker(source, { eval: true });
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  const there = await new Promise<number>((resolve, reject) =>
    worker.once('message', resolve).once('error', reject),
  );
  const after = monotonicNowMs();
  t.true(before - SLACK_MS <= there && there <= after + SLACK_MS, `${before} ${there} ${after}`);
  await ended;
});

function timersAlive(): number {
  return process.getActiveResourcesInfo().filter((type) => type === 'Timeout').length;
}

test.serial('a scheduled call does not keep the process alive unless told to', (t) => {
  const before = timersAlive();
  const cancelIdle = systemClock.schedule(60_000, () => {});
  t.is(timersAlive(), before);
  const cancelWanted = systemClock.schedule(60_000, () => {}, true);
  t.is(timersAlive(), before + 1);
  cancelWanted();
  cancelIdle();
  t.is(timersAlive(), before);
});

test.serial('a call whose time has come runs once, one that is cancelled never', async (t) => {
  const calls: string[] = [];
  const cancel = systemClock.schedule(0, () => calls.push('cancelled'));
  cancel();
  cancel();
  systemClock.schedule(-5, () => calls.push('overdue'));
  await new Promise<void>((resolve) => {
    systemClock.schedule(2, resolve, true);
  });
  t.deepEqual(calls, ['overdue']);
});

test.serial('a delay beyond the longest timer is a long one, not 1 ms', async (t) => {
  const cancels = [2 ** 31, 2 ** 40, Infinity].map((delayMs) =>
    systemClock.schedule(delayMs, () => t.fail(`${delayMs} ms went by`)),
  );
  await new Promise<void>((resolve) => {
    systemClock.schedule(3, resolve, true);
  });
  for (const cancel of cancels) cancel();
  t.pass();
});

test.serial(
  'a deadline runs after what the kernel held at its time is read, and tells what was due',
  async (t) => {
    const { port1, port2 } = new MessageChannel();
    const events: string[] = [];
    port2.on('message', () => events.push('message'));
    const dueMs = systemClock.now() + 10;
    const dueByMs = new Promise<number>((resolve) => {
      systemClock.deadline(10, (byMs) => (events.push('deadline'), resolve(byMs)), true);
    });
    port1.postMessage('in time');
    stall(12);
    t.true((await dueByMs) >= dueMs - SLACK_MS);
    t.deepEqual(events, ['message', 'deadline']);
    port1.close();
  },
);

test.serial(
  'a deadline that is late waits for what other threads hold, and counts nothing that is due meanwhile',
  async (t) => {
    const dueByMs = new Promise<number>((resolve) => {
      systemClock.deadline(1, resolve, true);
    });
    stall(30);
    const lookedMs = systemClock.now();
    const byMs = await dueByMs;
    // The 20 ms that it waits, less what a timer may fire early.
    t.true(systemClock.now() - byMs >= 18);
    t.true(byMs >= lookedMs - SLACK_MS);
  },
);

test.serial(
  'a deadline is cancelled in time or while it is late, and keeps the process alive as it is told',
  async (t) => {
    const before = timersAlive();
    const deadline = systemClock.deadline(1, () => t.fail());
    t.is(timersAlive(), before);
    deadline.keepAlive(true);
    t.is(timersAlive(), before + 1);
    stall(30);
    await new Promise((resolve) => {
      setTimeout(resolve, 2);
    });
    t.is(timersAlive(), before + 1, 'it waits because it is late');
    deadline.keepAlive(false);
    t.is(timersAlive(), before);
    deadline.cancel();
    const inTime = systemClock.deadline(5, () => t.fail(), true);
    inTime.cancel();
    await new Promise((resolve) => {
      setTimeout(resolve, 40);
    });
    t.is(timersAlive(), before);
  },
);

test('random() lies in [0, 1)', (t) => {
  for (let count = 0; count < 100; count++) {
    const random = systemClock.random();
    t.true(random >= 0 && random < 1);
  }
});
