import { MessageChannel, receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import type { WaitThreads } from './threads.js';
import type { WaitCommand, WaitOutcome, WaitTask } from './wait-protocol.js';

/** One run of the wait loop on its thread, seen from the main thread. */
export class WaitRun {
  /** The thread has begun, or has failed to. */
  readonly begun: Promise<void>;
  /** Resolves when the loop has returned, or with the reason when its thread has died. */
  readonly ended: Promise<unknown>;
  readonly #port: MessagePort;
  readonly #onOutcomes: (outcomes: WaitOutcome[]) => void;

  constructor(
    threads: WaitThreads,
    task: Omit<WaitTask, 'port'>,
    commands: Iterable<WaitCommand>,
    onOutcomes: (outcomes: WaitOutcome[]) => void,
  ) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#onOutcomes = onOutcomes;
    for (const command of commands) this.send(command);
    port1.on('message', onOutcomes);
    this.begun = new Promise<void>((resolve) => {
      // The first message of a run says no more than that it has begun.
      port1.once('message', () => {
        // The callers who wait keep the process alive, and a run for none of them must not.
        threads.unref();
        resolve();
      });
      port1.once('close', () => resolve());
    });
    port1.unref();
    this.ended = threads.run({ ...task, port: port2 }).then(
      () => undefined,
      (error: unknown) => error,
    );
  }

  /** The thread finds the command when it looks next; this does not wake it. */
  send(command: WaitCommand): void {
    this.#port.postMessage(command);
  }

  /** Works off whatever the thread had sent before it ended. */
  close(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) break;
      const outcomes: WaitOutcome[] = received.message;
      this.#onOutcomes(outcomes);
    }
    this.#port.close();
  }
}
