import { MessageChannel, receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import { systemClock } from '../../clock.js';
import { errorFromFailure } from '../../errors.js';
import { ExitHook } from '../../exit-hook.js';
import { systemFailure } from '../../os/errno.js';
import type { Native } from '../../os/native.js';
import { closePoller, openPoller, sharedWatch, wakePoller } from '../../os/poller.js';
import type { PollerHandles, PollerKind, Watch } from '../../os/poller-kinds.js';
import { WorkerThread } from './worker-thread.js';
import {
  SharedThreadState,
  type ThreadCommand,
  type ThreadOutcome,
  type ThreadTask,
} from './thread-protocol.js';

/**
 * How long the poll loop stays when it holds no job. Long enough to bridge the gaps of a busy service, short
 * enough that the end of the process need not stop it.
 */
const LINGER_MS = 50;

export interface ThreadControlOptions {
  /** For tests. */
  readonly startLimitMs?: number;
  /** For tests. */
  readonly poller?: PollerKind;
  /** For tests. */
  readonly workerUrl?: string | undefined;
}

/**
 * How long a thread may take to begin a session. It takes 40 ms, and six seconds where forty programs share two
 * processors; a thread that takes longer hangs, in a module that `--require` or `--import` loads into each thread
 * for example. No job waits for that: the event loop runs them meanwhile. A limit that is too short aborts the
 * process on Node 20, where a thread must not be terminated while it loads its modules.
 */
const START_LIMIT_MS = 20_000;

/**
 * The controls whose threads may be in a wait. Node joins its threads at the end of the process,
 * `process.exit()` included, and would hang until each blocked call returns by itself.
 */
const waiting = new ExitHook<ThreadControl>((control) => control.stopAtExit());

/**
 * How long the end of the process waits for a thread that loads its modules or the C library, which takes tens
 * of milliseconds, and up to two seconds on a loaded machine.
 */
const LOADING_LIMIT_MS = 2_000;

/**
 * How the start of a session went: `late` if the thread has not begun it in time, `ended` if it never will.
 */
export type Beginning = 'begun' | 'late' | 'ended';

/** One session of the poll loop on its thread, seen from the main thread. */
export class WorkerSession {
  readonly begun: Promise<Beginning>;
  /** Resolves when the loop has returned; with a reason where it failed, and its thread has ended. */
  readonly ended: Promise<string | undefined>;
  readonly #port: MessagePort;
  readonly #onMessage: (outcomes: ThreadOutcome[]) => void;
  readonly #settleBegun: (beginning: Beginning) => void;

  constructor(
    thread: WorkerThread,
    task: Omit<ThreadTask, 'port'>,
    commands: Iterable<ThreadCommand>,
    onOutcomes: (outcomes: ThreadOutcome[]) => void,
    startLimitMs: number,
  ) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    for (const command of commands) this.send(command);
    let resolveBegun: (beginning: Beginning) => void = () => {};
    this.begun = new Promise<Beginning>((resolve) => (resolveBegun = resolve));
    const limit = systemClock.deadline(startLimitMs, () => resolveBegun('late'));
    this.#settleBegun = (beginning) => {
      limit.cancel();
      resolveBegun(beginning);
    };
    this.#onMessage = (outcomes) => {
      // The first message of a session says no more than that it has begun.
      this.#settleBegun('begun');
      onOutcomes(outcomes);
    };
    // The callers who wait keep the process alive, and a session without callers must not.
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

  /** Works off the outcomes that the thread has sent and the event loop has not read yet. */
  receive(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) break;
      const outcomes: ThreadOutcome[] = received.message;
      this.#onMessage(outcomes);
    }
  }

  /** Works off the outcomes that the thread had sent before it ended. */
  close(): void {
    this.receive();
    this.#settleBegun('ended');
    this.#port.close();
  }
}

/**
 * The wait thread from the main thread's side: the memory and the descriptors that both use, and one session
 * of the poll loop after the other.
 */
export class ThreadControl {
  readonly shared = new SharedThreadState();
  readonly startLimitMs: number;
  /** Puts descriptors on the thread's watch from here; `undefined` where only the thread can. */
  readonly watch: Watch | undefined;
  readonly #native: Native;
  readonly #handles: PollerHandles;
  readonly #thread: WorkerThread;
  /** The session that runs, or the last one. */
  #session: WorkerSession | undefined;
  /** The thread that has begun a session. */
  #begunWorker: WorkerThread['worker'];
  #hasEnded = false;
  #isFree = false;

  /** @throws {BrokerPoolError} `WORKER_FAILED` where the system has no descriptors for it */
  constructor(native: Native, options: ThreadControlOptions) {
    this.#native = native;
    this.startLimitMs = options.startLimitMs ?? START_LIMIT_MS;
    const handles = openPoller(native, options.poller);
    if ('result' in handles) {
      const system = systemFailure(handles.syscall, handles.result);
      throw errorFromFailure({
        code: 'WORKER_FAILED',
        message: `cannot set up the wait thread: ${system.message}`,
        system,
      });
    }
    this.#handles = handles;
    this.watch = sharedWatch(native.polling, handles);
    this.#thread = new WorkerThread(this.shared.buffer, options.workerUrl);
  }

  /** Whether the thread has started, so that a job does not wait for that. */
  get ready(): boolean {
    return this.#begunWorker !== undefined && this.#begunWorker === this.#thread.worker;
  }

  /**
   * Begins a session. Call {@link ThreadControl.finish} when it has ended; only one session may run at a
   * time.
   */
  start(commands: ThreadCommand[], onOutcomes: (outcomes: ThreadOutcome[]) => void): WorkerSession {
    const task = { handles: this.#handles, shared: this.shared.buffer, lingerMs: LINGER_MS };
    if (!this.ready) this.shared.beginStart();
    const session = new WorkerSession(this.#thread, task, commands, onOutcomes, this.startLimitMs);
    waiting.add(this);
    this.#session = session;
    void session.begun.then((beginning) => this.#onBegun(beginning));
    return session;
  }

  /** Works off the last outcomes of a session that has ended. */
  finish(): void {
    this.#session?.close();
    waiting.delete(this);
  }

  /** Does nothing once all is free: the number of the descriptor may be that of another file then. */
  wake(): void {
    if (!this.#isFree) wakePoller(this.#native.polling, this.#handles);
  }

  /**
   * Makes the thread leave its wait and hand everything back. A thread in a system call cannot be ended
   * otherwise.
   */
  stop(): void {
    this.shared.requestStop();
    this.wake();
  }

  /** The same at the end of the process, where Node terminates the thread right after. */
  stopAtExit(): void {
    this.stop();
    this.shared.awaitLoaded(LOADING_LIMIT_MS);
  }

  /**
   * Terminates the thread, which no longer keeps the process alive. Its session ends when the thread has
   * ended, after the system call that the thread is in.
   */
  end(): void {
    this.#hasEnded = true;
    this.stop();
    if (this.shared.loading) void this.#session?.ended.then(() => this.#thread.end());
    else void this.#thread.end();
    this.#thread.unref();
  }

  /** Closes the descriptors of the wait. Call it when the last session has ended. */
  async free(): Promise<void> {
    await this.#thread.end();
    this.#isFree = true;
    closePoller(this.#native.system, this.#handles);
  }

  #onBegun(beginning: Beginning): void {
    this.shared.giveUpStart();
    if (beginning === 'begun') {
      this.#begunWorker = this.#thread.worker;
      // Not before: piscina references the thread as soon as it gives it the session.
      this.#thread.unref();
    } else if (this.#hasEnded) {
      // The termination was put off while the thread might have been in Node's loader.
      this.end();
    }
  }
}
