import { LeaseLog } from '../../src/sharing/lease-log.js';
import test from '../helpers/sanitary.js';

function bothSides(records?: number): { thread: LeaseLog; pool: LeaseLog } {
  const pool = new LeaseLog(records);
  return { pool, thread: new LeaseLog(pool.memory) };
}

/** Reads all records; those of claims are pairs. */
function readAll(log: LeaseLog): unknown[] {
  const records: unknown[] = [];
  log.read(
    (...release) => records.push(release),
    (...claim) => records.push(claim),
  );
  return records;
}

test('the pool’s thread reads releases and claims in the order in which they were written', (t) => {
  const { pool, thread } = bothSides();
  t.true(thread.writeRelease(1, true, false, 7));
  t.true(thread.writeClaim(2 ** 40, 5));
  t.true(thread.writeRelease(2 ** 40, false, true, 0));
  t.true(thread.writeRelease(3, true, true, 2 ** 31 - 1));
  t.deepEqual(readAll(pool), [
    [1, true, false, 7],
    [2 ** 40, 5],
    [2 ** 40, false, true, 0],
    [3, true, true, 2 ** 31 - 1],
  ]);
  t.deepEqual(readAll(pool), []);
});

test('a full log takes the next record when one has been read', (t) => {
  const { pool, thread } = bothSides(2);
  for (let round = 0; round < 5; round++) {
    t.true(thread.writeClaim(round, 1));
    t.true(thread.writeClaim(round, 2));
    t.false(thread.writeClaim(round, 3));
    t.false(thread.writeRelease(round, true, true, 1));
    t.deepEqual(readAll(pool), [
      [round, 1],
      [round, 2],
    ]);
  }
});

test('a message is due for the first record after the last one was read', (t) => {
  const { pool, thread } = bothSides();
  thread.writeClaim(1, 1);
  t.true(thread.ring());
  thread.writeClaim(2, 2);
  t.false(thread.ring());
  readAll(pool);
  thread.writeClaim(3, 3);
  t.true(thread.ring());
});

test('a reader that reads again gets each record once', (t) => {
  const { pool, thread } = bothSides();
  for (let acquireId = 1; acquireId <= 3; acquireId++) thread.writeClaim(acquireId, 1);
  const read: number[] = [];
  const readOn = (): void =>
    pool.read(
      () => t.fail(),
      (acquireId) => {
        read.push(acquireId);
        if (acquireId > 1) return;
        thread.writeClaim(4, 1);
        readOn();
      },
    );
  readOn();
  t.deepEqual(read, [1, 2, 3, 4]);
});

test('the thread sees whether the pool has ended', (t) => {
  const host = new LeaseLog();
  const client = new LeaseLog(host.memory);
  t.false(client.isEnded);
  host.markEnded();
  t.true(client.isEnded);
});

test('the thread sees how many acquires the pool has answered, and how many messages it has read', (t) => {
  const { pool, thread } = bothSides();
  pool.countAnswer();
  pool.countAnswer();
  pool.countMessage();
  t.is(thread.answered, 2);
  t.is(thread.messagesRead, 1);
});
