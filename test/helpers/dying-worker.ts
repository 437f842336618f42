/** A wait thread that dies right before one of its calls, as a file says. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { receiveMessageOnPort } from 'node:worker_threads';
import { PollLoop } from '../../src/negotiation/wait-thread/poll-loop.js';
import { SharedThreadState, type ThreadTask } from '../../src/negotiation/wait-thread/thread-protocol.js';
import { loadNative } from '../../src/os/native.js';
import { attachPoller } from '../../src/os/poller.js';

/** The variable that names the file, a {@link Plan}; worker threads copy the environment when they start. */
export const DEATH_FILE_VARIABLE = 'BROKER_POOL_TEST_DEATH_FILE';

/** Before which call the thread dies, and before which of its kind, counted from 1. */
export interface Plan {
  readonly before: string;
  readonly nth: number;
}

/** The mark beside the file when the thread has died. */
export interface Death {
  /** A descriptor that is in no ledger: opened and not noted, or struck out and not closed. */
  readonly unknown: number | undefined;
}

export function deathFile(file: string): string {
  return `${file}.death`;
}

export default function negotiateUntilDeath({ port, handles, shared, lingerMs }: ThreadTask): void {
  const native = loadNative();
  if (native === undefined) throw new Error('no FFI');
  const file = process.env[DEATH_FILE_VARIABLE] ?? '';
  // The thread that follows the dead one lives.
  const plan: Plan | undefined = existsSync(deathFile(file))
    ? undefined
    : JSON.parse(readFileSync(file, 'utf8'));
  let calls = 0;
  let unknown: number | undefined;

  function mortal<A extends unknown[], R>(name: string, call: (...values: A) => R): (...values: A) => R {
    return (...values) => {
      if (name === plan?.before) calls += 1;
      if (name === plan?.before && calls === plan.nth) {
        const death: Death = { unknown };
        writeFileSync(deathFile(file), JSON.stringify(death));
        process.exit(7);
      }
      return call(...values);
    };
  }

  const { system } = native;
  const poller = attachPoller(native.polling, handles);
  const state = new SharedThreadState(shared);
  const ledger = { own: state.own.bind(state), takeOver: state.takeOver.bind(state) };
  state.own = mortal('own', (slot, descriptor, obligation) => {
    ledger.own(slot, descriptor, obligation);
    unknown = undefined;
  });
  state.disown = mortal('disown', (slot) => {
    unknown = ledger.takeOver(slot)?.descriptor;
  });
  new PollLoop(
    {
      openSocket: mortal('openSocket', () => (unknown = system.openSocket())),
      connect: mortal('connect', (descriptor, address) => system.connect(descriptor, address)),
      send: mortal('send', (descriptor, bytes) => system.send(descriptor, bytes)),
      receive: mortal('receive', (descriptor, into) => system.receive(descriptor, into)),
      close: mortal('close', (descriptor) => {
        unknown = undefined;
        return system.close(descriptor);
      }),
    },
    {
      add: mortal('add', (descriptor) => poller.add(descriptor)),
      remove: mortal('remove', (descriptor) => poller.remove(descriptor)),
      wait: mortal('wait', (timeoutMs, ready) => poller.wait(timeoutMs, ready)),
    },
    state,
    {
      take: () => receiveMessageOnPort(port)?.message,
      post: mortal('post', (outcomes) => port.postMessage(outcomes)),
    },
  ).run(lingerMs);
  port.close();
}
