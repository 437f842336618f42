import { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { afterDrain } from '../../src/os/drain.js';
import { FakeClock } from '../helpers/fake-clock.js';
import test from '../helpers/sanitary.js';

/** A stream in place of a socket, with a rest that leaves when it is told to. */
function startDrain() {
  const clock = new FakeClock();
  const outcomes: boolean[] = [];
  let send = (): void => {};
  const stream = new Duplex({
    read() {},
    write(_chunk, _encoding, done) {
      send = () => done();
    },
  });
  const socket = Object.assign(stream, { bytesRead: 0, bytesWritten: 4 });
  socket.write('rest');
  const stop: () => void = Reflect.apply(afterDrain, undefined, [
    socket,
    clock,
    (hasDrained: boolean) => outcomes.push(hasDrained),
  ]);
  return { clock, outcomes, socket, stop, send: () => send() };
}

test('a rest below the high-water mark has drained when it is sent, not at the limit', async (t) => {
  const { clock, outcomes, send } = startDrain();
  clock.advance(50);
  t.deepEqual(outcomes, []);
  send();
  await turn();
  t.deepEqual(outcomes, [true]);
  t.is(clock.pending, 0);
});

test('a rest that is not sent within 100 ms has not drained', (t) => {
  const { clock, outcomes, socket } = startDrain();
  clock.advance(99);
  t.deepEqual(outcomes, []);
  clock.advance(1);
  t.deepEqual(outcomes, [false]);
  t.is(socket.listenerCount('drain'), 0);
});

test('a rest has not drained where anything else was read meanwhile, and a drain that is stopped says nothing', async (t) => {
  const read = startDrain();
  read.socket.bytesRead += 1;
  read.send();
  await turn();
  t.deepEqual(read.outcomes, [false]);
  const stopped = startDrain();
  stopped.stop();
  stopped.send();
  stopped.clock.advance(100);
  await turn();
  t.deepEqual(stopped.outcomes, []);
});
