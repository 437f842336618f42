import { MessageChannel, receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import { systemClock } from '../../clock.js';
import type { WorkerThread } from './worker-thread.js';
import type { ThreadCommand, ThreadOutcome, ThreadTask } from './thread-protocol.js';

/**
 * How long a thread may take to begin a run. It takes 40 ms, a second on a loaded machine; one that takes
 * longer hangs, in a module that `--require` or `--import` loads into each thread for example. No job waits
 * for that: the event loop does them meanwhile.
 */
export const START_LIMIT_MS = 5_000;

/** One run of the wait loop on its thread, seen from the main thread. */
export class WorkerSession {
  /** Whether the thread has begun the run; false if it ended before, or the time for it is over. */
  readonly begun: Promise<boolean>;
  /** Resolves when the loop has returned; with a reason where it failed, and its thread has ended. */
  readonly ended: Promise<string | undefined>;
  readonly #port: MessagePort;
  readonly #onMessage: (outcomes: ThreadOutcome[]) => void;
  readonly #settleBegun: (hasBegun: boolean) => void;

  constructor(
    thread: WorkerThread,
    task: Omit<ThreadTask, 'port'>,
    commands: Iterable<ThreadCommand>,
    onOutcomes: (outcomes: ThreadOutcome[]) => void,
  ) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    for (const command of commands) this.send(command);
    let resolveBegun: (hasBegun: boolean) => void = () => {};
    this.begun = new Promise<boolean>((resolve) => (resolveBegun = resolve));
    const limit = systemClock.deadline(START_LIMIT_MS, () => resolveBegun(false));
    this.#settleBegun = (hasBegun) => {
      limit.cancel();
      resolveBegun(hasBegun);
    };
    this.#onMessage = (outcomes) => {
      // The first message of a run says no more than that it has begun.
      this.#settleBegun(true);
      onOutcomes(outcomes);
    };
    // The callers who wait keep the process alive, and a run for none of them must not.
    port1.on('message', this.#onMessage).unref();
    this.ended = thread.run({ ...task, port: port2 }).then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : 'it threw something else than an error'),
    );
  }

  /** The thread finds the command when it looks next; this does not wake it. */
  send(command: ThreadCommand): void {
    this.#port.postMessage(command);
  }

  /** Works off what the thread has sent. */
  receive(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) break;
      const outcomes: ThreadOutcome[] = received.message;
      this.#onMessage(outcomes);
    }
  }

  /** Works off whatever the thread had sent before it ended. */
  close(): void {
    this.receive();
    this.#settleBegun(false);
    this.#port.close();
  }
}
