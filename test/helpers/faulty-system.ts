import { errno } from '../../src/os/errno.js';
import type { Binder, Native, NativeFunction, PollCalls, SystemCalls } from '../../src/os/native.js';
import type { Poller } from '../../src/os/poller-kinds.js';

/** The calls of the connect path that can be made to fail, and the wait thread's. */
export type FaultyCall =
  | keyof SystemCalls
  | RingCall
  | 'eventfd'
  | 'epollCreate'
  | 'epollControl'
  | 'epollWait'
  | 'write'
  | 'watch';

/** The calls of the submission ring. */
export type RingCall = 'io_uring_setup' | 'io_uring_enter' | 'mmap';

/** One system call that fails, once. Plain data: it crosses threads. */
export interface Fault {
  readonly call: FaultyCall;
  /** The number of the call among those of its kind, from 1. */
  readonly nth: number;
  /** The errno's name. */
  readonly code: string;
}

/**
 * Everything the system may answer on the way to a connection (man pages of the calls, and what else has been
 * seen).
 */
export const FAULT_CODES = [
  'EMFILE',
  'ENFILE',
  'EAGAIN',
  'EINTR',
  'ECONNREFUSED',
  'ENOENT',
  'EACCES',
  'EPIPE',
  'ECONNRESET',
  'ENOMEM',
] as const;

/** Counts calls and fails the one that the fault names. */
export class Injector {
  readonly #onInjected: () => void;
  #fault: Fault | undefined;
  #calls = 0;

  constructor(fault?: Fault, onInjected: () => void = () => {}) {
    this.#fault = fault;
    this.#onInjected = onInjected;
  }

  /** Counts anew, for another fault or none. */
  arm(fault: Fault | undefined): void {
    this.#fault = fault;
    this.#calls = 0;
  }

  /** Whether the call has been reached. */
  get injected(): boolean {
    return this.#fault !== undefined && this.#calls >= this.#fault.nth;
  }

  /** The system's calls with the fault among them. Without the ring, which makes two of them at once. */
  native({ system, polling }: Native): Native {
    return { system: this.system(system), polling: this.polling(polling) };
  }

  /** The same with the ring, and its calls among those that may fail. */
  nativeWithRing({ binder, ...native }: Native): Native {
    return binder === undefined
      ? this.native(native)
      : { ...this.native(native), binder: this.#binder(binder) };
  }

  system(real: SystemCalls): SystemCalls {
    return {
      openSocket: () => this.#fails('openSocket') ?? real.openSocket(),
      connect: (descriptor, address) => this.#fails('connect') ?? real.connect(descriptor, address),
      send: (descriptor, bytes) => this.#fails('send') ?? real.send(descriptor, bytes),
      receive: (descriptor, into) => this.#fails('receive') ?? real.receive(descriptor, into),
      // A descriptor is gone even where close says that it failed.
      close: (descriptor) => {
        const result = real.close(descriptor);
        return this.#fails('close') ?? result;
      },
    };
  }

  poller(real: Poller): Poller {
    return {
      add: (descriptor) => this.#fails('watch') ?? real.add(descriptor),
      remove: (descriptor) => real.remove(descriptor),
      wait: (timeoutMs, ready) => real.wait(timeoutMs, ready),
    };
  }

  polling(real: PollCalls): PollCalls {
    const { eventfd, epollControl, epollCreate, epollWait } = real;
    return {
      ...real,
      ...(eventfd && { eventfd: () => this.#fails('eventfd') ?? eventfd() }),
      ...(epollCreate && { epollCreate: () => this.#fails('epollCreate') ?? epollCreate() }),
      ...(epollControl && {
        epollControl: (...values) => this.#fails('epollControl') ?? epollControl(...values),
      }),
      ...(epollWait && { epollWait: (...values) => this.#fails('epollWait') ?? epollWait(...values) }),
      write: (descriptor, bytes) => this.#fails('write') ?? real.write(descriptor, bytes),
    };
  }

  #binder(real: Binder): Binder {
    return {
      ...real,
      define: (declaration) => {
        const call = real.define(declaration);
        return (...values) => {
          const name = ringCall(declaration, values);
          return (name && this.#fails(name)) ?? call(...values);
        };
      },
    };
  }

  #fails(call: FaultyCall): number | undefined {
    if (call !== this.#fault?.call) return undefined;
    this.#calls += 1;
    if (this.#calls !== this.#fault.nth) return undefined;
    this.#onInjected();
    return -(errno[this.#fault.code] ?? 0);
  }
}

/** System calls of the ring have no functions of their own. */
const RING_CALLS: ReadonlyMap<unknown, RingCall> = new Map([
  [425, 'io_uring_setup'],
  [426, 'io_uring_enter'],
] as const);

function ringCall(declaration: string, [number]: Parameters<NativeFunction>): RingCall | undefined {
  return declaration.includes(' mmap(')
    ? 'mmap'
    : declaration.includes(' syscall(')
      ? RING_CALLS.get(number)
      : undefined;
}
