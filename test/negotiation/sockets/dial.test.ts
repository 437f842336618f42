import { systemClock } from '../../../src/clock.js';
import { dial, dialNow, type DialOutcome } from '../../../src/negotiation/sockets/dial.js';
import { errno } from '../../../src/os/errno.js';
import { loadNative, type Native, type SystemCalls } from '../../../src/os/native.js';
import test from '../../helpers/sanitary.js';
import { closed, echo, startSystem } from '../../helpers/system.js';

const native = loadNative();
const nativeTest = native === undefined ? test.skip : test;

function nativeWith(changes: Partial<SystemCalls>): Native {
  if (native === undefined) throw new Error('no C library here');
  return { polling: native.polling, system: { ...native.system, ...changes } };
}

nativeTest('a listener is connected to on the spot', async (t) => {
  const { backend } = await startSystem(t);
  const outcome = dialNow(native, backend.endpoint);
  if (outcome?.kind !== 'connected') return t.fail();
  t.is(await echo(outcome.socket, 'hello'), 'hello');
  await closed(outcome.socket);
});

nativeTest('whoever is not there is refused on the spot, and nothing stays open', async (t) => {
  const { directory } = await startSystem(t);
  t.like(dialNow(native, `${directory}/none.sock`), { kind: 'refused', system: { code: 'ENOENT', syscall: 'connect' } });
  const noDescriptors = nativeWith({ openSocket: () => -(errno['EMFILE'] ?? 0) });
  t.like(dialNow(noDescriptors, `${directory}/none.sock`), { kind: 'refused', system: { code: 'EMFILE', syscall: 'socket' } });
});

nativeTest('a full backlog is left to the dial that waits', async (t) => {
  const { backend } = await startSystem(t);
  t.is(dialNow(nativeWith({ connect: () => -(errno['EAGAIN'] ?? 0) }), backend.endpoint), undefined);
});

test('without native calls everything is left to the dial that waits', async (t) => {
  const { backend } = await startSystem(t);
  t.is(dialNow(undefined, backend.endpoint), undefined);
  const outcome = await new Promise<DialOutcome>((settle) => {
    dial({ endpoint: backend.endpoint, deadlineMs: systemClock.now() + 20_000, timeoutMs: 20_000, clock: systemClock }, settle);
  });
  if (outcome.kind !== 'connected') return t.fail();
  await closed(outcome.socket);
});
