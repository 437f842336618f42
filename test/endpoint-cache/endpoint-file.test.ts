import {
  chmodSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { EndpointCache } from '../../src/endpoint-cache/endpoint-cache.js';
import { EndpointFile, type EndpointFileWarningCode } from '../../src/endpoint-cache/endpoint-file.js';
import { LONGEST_FILE_BYTES } from '../../src/endpoint-cache/answers.js';
import { PrivateFile } from '../../src/os/private-file.js';
import test from '../helpers/sanitary.js';
import { onWindows, testWhere } from '../helpers/test-where.js';
import { StillTime, contentOf, newPlace } from './kit.js';
import { BROKER, endpointOf, keyOf } from './names.js';

const A = keyOf('a');
const B = keyOf('b');
const onPosix = testWhere(!onWindows, 'file modes');

test('a cache finds the answer that a closed cache has written', (t) => {
  const { open, warnings } = newPlace(t);
  const first = open();
  first.set(A, endpointOf(1));
  first.close();
  const second = open();
  t.is(second.get(A), endpointOf(1));
  t.is(second.get(B), undefined);
  t.is(second.size, 1, 'what is asked for is taken into memory');
  t.deepEqual(warnings, []);
});

for (const ttlMs of [0, 60_000]) {
  test(`an endpoint found in the file is a hit in memory from then on, ttlMs ${ttlMs}`, (t) => {
    const { open, file } = newPlace(t);
    const time = new StillTime();
    const first = open({ time });
    first.set(A, endpointOf(1));
    first.close();
    const second = open({ ttlMs, time });
    t.is(second.get(A), endpointOf(1));
    rmSync(file);
    t.is(second.get(A), endpointOf(1));
  });
}

test('clear() forgets all answers of its broker in the file, and leaves those of other brokers', (t) => {
  const { open, file } = newPlace(t);
  const other = keyOf('a', `${BROKER}-2`);
  const first = open();
  first.set(A, endpointOf(1));
  first.set(other, endpointOf(2));
  first.close();
  const second = open();
  second.set(B, endpointOf(3));
  second.clear(BROKER);
  second.flush();
  const { answers } = contentOf(file);
  t.deepEqual(
    [A, B, other].map((key) => answers.get(key)?.forgotten),
    [true, true, false],
  );
  t.is(second.get(A), undefined);
});

test('changes are written at the end of their turn', async (t) => {
  const { open, file } = newPlace(t);
  const cache = open();
  cache.set(A, endpointOf(1));
  cache.set(B, endpointOf(2));
  t.is(contentOf(file).answers.size, 0);
  await turn();
  t.is(contentOf(file).answers.size, 2);
});

test('changes soon after a write wait for the timer', async (t) => {
  const { open, file } = newPlace(t);
  const time = new StillTime();
  const cache = open({ time });
  cache.set(A, endpointOf(1));
  await turn();
  const { ino } = statSync(file);
  cache.set(B, endpointOf(2));
  cache.invalidate(A, endpointOf(1));
  await turn();
  t.is(statSync(file).ino, ino);
  time.ring();
  t.is(contentOf(file).answers.size, 2);
  t.true(contentOf(file).answers.get(A)?.forgotten);
});

test('without further changes no timer is left', async (t) => {
  const { open } = newPlace(t);
  const time = new StillTime();
  const cache = open({ time });
  cache.set(A, endpointOf(1));
  await turn();
  t.deepEqual([...time.timers.values()], [125]);
  time.ring();
  t.is(time.timers.size, 0);
});

test('a miss finds a change of another process, and a hit does not look at the file', (t) => {
  const { open, file } = newPlace(t);
  const [service, other] = [open(), open()];
  service.set(A, endpointOf(1));
  service.flush();
  t.is(service.get(B), undefined);
  other.set(B, endpointOf(2));
  other.flush();
  t.is(service.get(B), endpointOf(2));
  rmSync(file);
  t.is(service.get(A), endpointOf(1));
  t.is(service.get(B), endpointOf(2));
});

test('an invalidated endpoint is a miss at once, and in new caches', (t) => {
  const { open } = newPlace(t);
  const first = open();
  first.set(A, endpointOf(1));
  first.flush();
  first.invalidate(A, endpointOf(1));
  t.is(first.get(A), undefined, 'at once here, though the file still has it');
  first.flush();
  t.is(first.get(A), undefined);
  t.is(open().get(A), undefined);
});

test('a write of a process that does not know of a failure does not bring the endpoint back', (t) => {
  const { open, file } = newPlace(t);
  const time = new StillTime();
  const [one, other] = [open({ time }), open({ time })];
  one.set(A, endpointOf(1));
  one.flush();
  t.is(other.get(A), endpointOf(1));
  time.nowMs += 5;
  one.invalidate(A, endpointOf(1));
  one.flush();
  other.set(B, endpointOf(2));
  other.flush();
  t.true(contentOf(file).answers.get(A)?.forgotten);
  t.is(open({ time }).get(A), undefined);
});

test('a newer answer of the broker survives an older failure, whichever is written first (X-26, X-27)', (t) => {
  for (const answerFirst of [true, false]) {
    const { open } = newPlace(t);
    const time = new StillTime();
    const [stale, fresh] = [open({ time }), open({ time })];
    stale.set(A, endpointOf('old'));
    stale.flush();
    fresh.get(A);
    time.nowMs += 5;
    fresh.set(A, endpointOf('new'));
    if (answerFirst) fresh.flush();
    time.nowMs += 5;
    stale.invalidate(A, endpointOf('old'));
    stale.flush();
    fresh.flush();
    t.is(stale.get(A), endpointOf('new'), 'and the one that failed learns it');
    t.is(open({ time }).get(A), endpointOf('new'));
  }
});

test('a failed endpoint is known again when the broker names it again within the same millisecond', (t) => {
  const { open } = newPlace(t);
  const cache = open();
  cache.set(A, endpointOf(1));
  cache.invalidate(A, endpointOf(1));
  cache.set(A, endpointOf(1));
  cache.flush();
  t.is(open().get(A), endpointOf(1));
});

test('invalidating another endpoint than the known one leaves the file as it is', (t) => {
  const { open, file } = newPlace(t);
  const cache = open();
  cache.set(A, endpointOf(1));
  cache.flush();
  const before = readFileSync(file, 'utf8');
  cache.invalidate(A, endpointOf(2));
  cache.invalidate(B, endpointOf(2));
  cache.flush();
  t.is(readFileSync(file, 'utf8'), before);
});

test('delete() forgets the answers of other processes too', (t) => {
  const { open } = newPlace(t);
  const [one, other] = [open(), open()];
  one.set(A, endpointOf(1));
  one.flush();
  other.delete(A);
  other.delete(B);
  t.is(other.get(A), undefined);
  other.flush();
  t.is(open().get(A), undefined);
});

test("the time to live counts from the broker's answer in another process", (t) => {
  const { open } = newPlace(t);
  const time = new StillTime();
  const writer = open({ time });
  writer.set(A, endpointOf(1));
  writer.close();
  time.nowMs += 99;
  t.is(open({ time, ttlMs: 100 }).get(A), endpointOf(1));
  time.nowMs += 1;
  t.is(open({ time, ttlMs: 100 }).get(A), undefined);
  t.is(open({ time }).get(A), endpointOf(1), 'who sets none believes it still');
});

test('the file keeps the newest answers, at most max', (t) => {
  const { open, file } = newPlace(t);
  const time = new StillTime();
  const cache = open({ time, max: 2 });
  for (const name of ['a', 'b', 'c']) {
    time.nowMs += 1;
    cache.set(keyOf(name), endpointOf(name));
    cache.flush();
  }
  t.deepEqual([...contentOf(file).answers.keys()], [keyOf('c'), keyOf('b')]);
  time.ring();
  t.is(time.timers.size, 0, 'what found no room is not tried again');
});

test('an answer from before the clock was set back by two minutes is not believed, and a new one replaces it', (t) => {
  const { open, file } = newPlace(t);
  const time = new StillTime();
  const cache = open({ time });
  cache.set(A, endpointOf('future'));
  cache.flush();
  time.nowMs -= 120_000;
  const next = open({ time });
  t.is(next.get(A), undefined);
  next.set(A, endpointOf('now'));
  next.flush();
  t.is(contentOf(file).answers.get(A)?.endpoint, endpointOf('now'));
  t.is(open({ time }).get(A), endpointOf('now'));
});

test('a new answer wins over the one it replaces, though the clock was set back by 30 s', (t) => {
  const { open } = newPlace(t);
  const time = new StillTime();
  const cache = open({ time });
  cache.set(A, endpointOf('old'));
  cache.flush();
  time.nowMs -= 30_000;
  cache.set(A, endpointOf('new'));
  cache.flush();
  t.is(open({ time }).get(A), endpointOf('new'));
});

test('an endpoint that is too long for the file stays in memory', (t) => {
  const { open, file, warnings } = newPlace(t);
  const cache = open();
  cache.set(A, 'x'.repeat(400));
  cache.flush();
  t.is(cache.get(A), 'x'.repeat(400));
  t.is(contentOf(file).answers.size, 0);
  t.deepEqual(warnings, []);
});

test('a damaged file costs one warning, and the next write makes it whole', (t) => {
  const { open, file, warnings } = newPlace(t);
  writeFileSync(file, 'secret {', { mode: 0o600 });
  const cache = open();
  t.is(cache.get(A), undefined);
  t.is(cache.get(B), undefined);
  cache.set(A, endpointOf(1));
  cache.flush();
  t.deepEqual(warnings, [
    {
      code: 'ENDPOINT_FILE_CORRUPT',
      message: `the endpoint cache ${JSON.stringify(file)} is damaged; its unreadable entries are left out`,
    },
  ]);
  t.is(open().get(A), endpointOf(1));
});

test('the file of a newer release is left as it is', (t) => {
  const { open, file, warnings } = newPlace(t);
  writeFileSync(file, '{"version":2}', { mode: 0o600 });
  const cache = open();
  cache.set(A, endpointOf(1));
  cache.close();
  t.is(cache.get(A), endpointOf(1));
  t.is(readFileSync(file, 'utf8'), '{"version":2}');
  t.deepEqual(
    warnings.map(({ code }) => code),
    ['ENDPOINT_FILE_VERSION'],
  );
});

onPosix(
  'a symbolic link is neither followed nor replaced, costs one warning, and the cache works in memory',
  (t) => {
    const { open, file, warnings, directory } = newPlace(t);
    writeFileSync(`${directory}/elsewhere`, 'precious', { mode: 0o600 });
    symlinkSync('elsewhere', file);
    const cache = open();
    cache.set(A, endpointOf(1));
    t.is(cache.get(B), undefined);
    cache.flush();
    cache.invalidate(A, endpointOf(2));
    cache.set(B, endpointOf(2));
    cache.close();
    t.deepEqual([cache.get(A), cache.get(B)], [endpointOf(1), endpointOf(2)]);
    t.deepEqual(
      warnings.map(({ code, message }) => [code, message]),
      [
        [
          'ENDPOINT_FILE_REFUSED',
          `the endpoint cache ${JSON.stringify(file)} is not used, because it is a symbolic link`,
        ],
      ],
    );
    t.is(readFileSync(file, 'utf8'), 'precious');
  },
);

onPosix('a file whose mode is put right is used from then on', (t) => {
  const { open, file, warnings } = newPlace(t);
  const writer = open();
  writer.set(A, endpointOf(1));
  writer.close();
  chmodSync(file, 0o644);
  const cache = open();
  t.is(cache.get(A), undefined);
  chmodSync(file, 0o600);
  t.is(cache.get(A), endpointOf(1));
  t.is(warnings.length, 1);
});

test('a missing directory costs one warning for all writes', (t) => {
  const { open, directory, warnings } = newPlace(t);
  const cache = open();
  rmSync(directory, { recursive: true });
  for (const key of [A, B]) {
    cache.set(key, endpointOf(1));
    cache.flush();
  }
  t.is(cache.get(A), endpointOf(1));
  t.deepEqual(
    warnings.map(({ message }) => message.replace(/^.* cannot/, 'cannot')),
    ['cannot be written (ENOENT)'],
  );
  mkdirSync(directory, { mode: 0o700 });
});

/** A disk on which calls fail with a system's error. */
class FailingDisk extends PrivateFile {
  failing: string | undefined;

  override replace(text: string, expected: string | undefined): string {
    if (this.failing !== undefined)
      throw Object.assign(new Error(this.failing), { code: this.failing, syscall: 'write' });
    return super.replace(text, expected);
  }
}

onPosix('while the file is refused, no more than max changes are kept for it', (t) => {
  const { file: path, directory } = newPlace(t);
  const { clock, wallClock } = new StillTime();
  chmodSync(directory, 0o777);
  const storage = new PrivateFile(path, LONGEST_FILE_BYTES);
  const file = new EndpointFile(path, 8, clock, wallClock, () => {}, storage);
  for (let count = 0; count < 100; count++) file.set(keyOf(`s${count}`), endpointOf(count));
  const kept = Array.from({ length: 100 }, (_, count) => file.get(keyOf(`s${count}`))).filter(
    (answer) => answer !== undefined,
  );
  t.is(kept.length, 8);
  t.is(kept.at(-1)?.endpoint, endpointOf(99));
  file.close();
});

test('a disk that is full, then read-only, costs one warning each, and the changes are written later', (t) => {
  const { file: path } = newPlace(t);
  const time = new StillTime();
  const { clock, wallClock, timers } = time;
  const storage = new FailingDisk(path, LONGEST_FILE_BYTES);
  const warnings: string[] = [];
  const file = new EndpointFile(
    path,
    8,
    clock,
    wallClock,
    (_code, message) => warnings.push(message.replace(/^.* cannot/, 'cannot')),
    storage,
  );
  for (const code of ['ENOSPC', 'EROFS', 'ENOSPC']) {
    storage.failing = code;
    file.set(A, endpointOf(code));
    file.flush();
    t.is(timers.size, 0, 'nothing tries again by itself');
  }
  for (let count = 0; count < 100; count++) file.set(keyOf(`s${count}`), endpointOf(count));
  t.deepEqual(warnings, ['cannot be written (ENOSPC)', 'cannot be written (EROFS)']);
  storage.failing = undefined;
  time.nowMs += 1;
  file.set(B, endpointOf(1));
  file.close();
  t.is(contentOf(path).answers.size, 8);
  t.is(contentOf(path).answers.get(B)?.endpoint, endpointOf(1));
});

/** A disk as on Windows, on which another program has the file open. */
function busyDisk(path: string, code: string) {
  let isBusy = true;
  let renames = 0;
  const rename = (from: string, to: string): void => {
    renames += 1;
    if (isBusy) throw Object.assign(new Error(code), { code, syscall: 'rename' });
    renameSync(from, to);
  };
  const storage = new PrivateFile(path, LONGEST_FILE_BYTES, rename, 'win32');
  return { storage, renames: () => renames, letGo: () => (isBusy = false) };
}

for (const code of ['EACCES', 'EBUSY', 'EPERM']) {
  test(`a file whose rename always fails with ${code} costs one warning after 8 flushes of 5 attempts, and each change as many again`, (t) => {
    const { file: path, directory } = newPlace(t);
    const time = new StillTime();
    const { clock, wallClock } = time;
    const disk = busyDisk(path, code);
    const warnings: string[] = [];
    const warn = (kind: EndpointFileWarningCode, message: string): unknown =>
      warnings.push(`${kind}: ${message.replace(/^.* cannot/, 'cannot')}`);
    const file = new EndpointFile(path, 8, clock, wallClock, warn, disk.storage);
    for (const round of [1, 2]) {
      file.set(keyOf(`s${round}`), endpointOf(round));
      file.flush();
      let rings = 0;
      for (; time.timers.size > 0; rings++) {
        t.is(warnings.length, round - 1);
        time.ring();
      }
      t.is(rings, 7);
      t.is(disk.renames(), round * 40);
      t.deepEqual(warnings, [`ENDPOINT_FILE_UNWRITABLE: cannot be written (${code})`]);
    }
    t.deepEqual(readdirSync(directory), [], 'no temporary file is left');
    disk.letGo();
    file.close();
    t.is(contentOf(path).answers.size, 2);
  });
}

test('a file that another program had open is written after it was closed, without a warning', (t) => {
  const { file: path } = newPlace(t);
  const time = new StillTime();
  const { clock, wallClock } = time;
  const disk = busyDisk(path, 'EBUSY');
  const file = new EndpointFile(path, 8, clock, wallClock, () => t.fail(), disk.storage);
  file.set(A, endpointOf(1));
  file.flush();
  time.ring();
  t.is(contentOf(path).answers.size, 0);
  disk.letGo();
  time.ring();
  t.is(contentOf(path).answers.size, 1);
  file.close();
});

/** A disk on which another process writes at a moment of our choice. */
class RacingDisk extends PrivateFile {
  beforeReplace: (() => void) | undefined;

  override replace(text: string, expected: string | undefined): string {
    const other = this.beforeReplace;
    this.beforeReplace = undefined;
    other?.();
    return super.replace(text, expected);
  }
}

test('a write takes in the changes of another process between its look and its rename', (t) => {
  const { file: path, open } = newPlace(t);
  const { clock, wallClock } = new StillTime();
  const storage = new RacingDisk(path, LONGEST_FILE_BYTES);
  const file = new EndpointFile(path, 8, clock, wallClock, () => t.fail(), storage);
  const other = open();
  other.set(B, endpointOf(2));
  storage.beforeReplace = () => other.flush();
  file.set(A, endpointOf(1));
  file.flush();
  t.deepEqual([...contentOf(path).answers.keys()].toSorted(), [A, B]);
  file.close();
});

test('a file that another process replaces before every rename costs 40 attempts and one warning', (t) => {
  const { file: path } = newPlace(t);
  const time = new StillTime();
  const { clock, wallClock } = time;
  const other = new PrivateFile(path, LONGEST_FILE_BYTES);
  let writes = 0;
  const storage = new (class extends PrivateFile {
    override replace(text: string, expected: string | undefined): string {
      other.replace(`{"version":1,"answers":[${' '.repeat(++writes)}]}`, other.identify());
      return super.replace(text, expected);
    }
  })(path, LONGEST_FILE_BYTES);
  const warnings: string[] = [];
  const file = new EndpointFile(
    path,
    8,
    clock,
    wallClock,
    (_code, message) => warnings.push(message),
    storage,
  );
  file.set(A, endpointOf(1));
  file.flush();
  while (time.timers.size > 0) time.ring();
  t.is(writes, 40);
  t.deepEqual(warnings, [
    `the endpoint cache ${JSON.stringify(path)} cannot be written (other processes replace it all the time)`,
  ]);
  file.close();
});

test('a change that another process has overwritten is written again, by the timer or by close()', (t) => {
  for (const end of ['timer', 'close'] as const) {
    const { file: path, open } = newPlace(t);
    const time = new StillTime();
    const cache = open({ time });
    cache.set(A, endpointOf(1));
    cache.flush();
    // As one would do that had looked before our rename, and renames after it.
    rmSync(path);
    const other = open();
    other.set(B, endpointOf(2));
    other.flush();
    t.false(contentOf(path).answers.has(A));
    if (end === 'timer') time.ring();
    else cache.close();
    t.deepEqual([...contentOf(path).answers.keys()].toSorted(), [A, B]);
  }
});

test('a change that the file had is not written again when another process has dropped it', (t) => {
  const { file: path, open } = newPlace(t);
  const time = new StillTime();
  const cache = open({ time });
  cache.set(A, endpointOf(1));
  cache.flush();
  time.ring();
  rmSync(path);
  cache.set(B, endpointOf(2));
  cache.flush();
  t.deepEqual([...contentOf(path).answers.keys()], [B]);
});

test.serial('a cache has an exit listener only while a change may be missing in the file', (t) => {
  const { open } = newPlace(t);
  const time = new StillTime();
  const cache = open({ time });
  const before = process.listenerCount('exit');
  cache.set(A, endpointOf(1));
  t.is(process.listenerCount('exit'), before + 1);
  cache.flush();
  t.is(process.listenerCount('exit'), before + 1, 'another process may overwrite it');
  time.ring();
  t.is(process.listenerCount('exit'), before);
});

test('close() writes the changes; after that the cache works in memory and leaves the file alone', (t) => {
  const { file, open } = newPlace(t);
  const time = new StillTime();
  const cache = open({ time });
  cache.set(A, endpointOf(1));
  cache.close();
  t.is(contentOf(file).answers.size, 1, 'closing writes');
  t.is(time.timers.size, 0);
  cache.set(B, endpointOf(2));
  cache.invalidate(A, endpointOf(1));
  cache.delete(A);
  cache.flush();
  cache.close();
  t.deepEqual([cache.get(A), cache.get(B)], [undefined, endpointOf(2)]);
  t.deepEqual(
    [...contentOf(file).answers.values()].map(({ forgotten }) => forgotten),
    [false],
  );
});

test.serial('20 caches with changes add one exit listener', (t) => {
  const { open } = newPlace(t);
  const before = process.listenerCount('exit');
  const caches = Array.from({ length: 20 }, () => open());
  t.is(process.listenerCount('exit'), before, 'none without a change');
  for (const [index, cache] of caches.entries()) cache.set(keyOf(`s${index}`), endpointOf(index));
  t.is(process.listenerCount('exit'), before + 1);
  for (const cache of caches) cache.close();
  t.is(process.listenerCount('exit'), before);
});

test('a cache without a file goes on when it is closed', (t) => {
  const cache = new EndpointCache({ max: 2, ttlMs: 0 });
  cache.set(A, endpointOf(1));
  cache.close();
  t.is(cache.get(A), endpointOf(1));
});

test('an answer from a clock that was ahead stays in memory for the time to live and no longer', (t) => {
  const { open, file } = newPlace(t);
  const ahead = new StillTime();
  ahead.nowMs += 1_000;
  const writer = open({ time: ahead });
  writer.set(A, endpointOf(1));
  writer.close();
  const time = new StillTime();
  const reader = open({ time, ttlMs: 100 });
  t.is(reader.get(A), endpointOf(1));
  rmSync(file);
  time.nowMs += 99;
  t.is(reader.get(A), endpointOf(1));
  time.nowMs += 2;
  t.is(reader.get(A), undefined);
});
