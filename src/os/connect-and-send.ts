import { isMainThread } from 'node:worker_threads';
import { wouldBlock } from './errno.js';
import type { Binder, Native, SystemCalls } from './native.js';
import { addressOf } from './socket.js';
import { SubmissionRing, type RingResult } from './submission-ring.js';

/** How {@link connectAndSend} ended; `sent` is what the send returned. */
export type SendAttempt =
  | { readonly descriptor: number; readonly sent: number }
  | { readonly descriptor: undefined; readonly syscall: 'socket' | 'connect'; readonly result: number };

/**
 * Opens a socket, connects and sends with nothing in between (V-21): in one system call where the kernel can do that, else in two that
 * follow each other directly. Without a connection nothing is left open.
 */
export function connectAndSend(native: Native, endpoint: string, request: Uint8Array): SendAttempt {
  const { system } = native;
  const address = addressOf(endpoint);
  const descriptor = system.openSocket();
  if (descriptor < 0) return { descriptor: undefined, syscall: 'socket', result: descriptor };
  const together = ringOfThread.connectAndSend(native, descriptor, address, request);
  const connected = together?.connected ?? system.connect(descriptor, address);
  ringOfThread.backlogFull = wouldBlock(connected);
  if (connected >= 0) return { descriptor, sent: together?.sent ?? system.send(descriptor, request) };
  system.close(descriptor);
  return { descriptor: undefined, syscall: 'connect', result: connected };
}

/** Within this time, or twice of it, an unused ring is closed again. */
const UNUSED_MS = 250;

/** The ring of this thread: opened when first needed, closed when nobody has needed it for a while. */
class RingOfThread {
  /** The last connect found a full backlog. Then there is no race to win, and the ring takes longer to say EAGAIN. */
  backlogFull = false;
  #ring: SubmissionRing | undefined;
  /** The kernel did not let us; it is not asked again. */
  #refused = false;
  #used = false;
  #looking = false;

  connectAndSend({ binder, system }: Native, descriptor: number, address: Uint8Array, request: Uint8Array): RingResult | undefined {
    if (binder === undefined || this.backlogFull || this.#refused) return undefined;
    if (this.#ring === undefined || this.#ring.closed) this.#open(binder, system);
    this.#used = true;
    const result = this.#ring?.connectAndSend(descriptor, address, request);
    if (result === undefined) {
      this.close();
      this.#refused = true;
    }
    return result;
  }

  #open(binder: Binder, system: SystemCalls): void {
    this.#ring = SubmissionRing.open(binder, system);
    if (this.#ring !== undefined && !this.#looking) this.#lookAgain();
  }

  #lookAgain(): void {
    this.#used = false;
    this.#looking = true;
    setTimeout(() => {
      if (this.#used) return this.#lookAgain();
      this.#looking = false;
      this.close();
    }, UNUSED_MS).unref();
  }

  close(): void {
    this.#ring?.close();
    this.#ring = undefined;
  }
}

const ringOfThread = new RingOfThread();
// A thread that ends does not close its descriptors, as a process does.
if (!isMainThread) process.once('exit', () => ringOfThread.close());
