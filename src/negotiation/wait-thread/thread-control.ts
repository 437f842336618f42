import { errorFromFailure } from '../../errors.js';
import { ExitHook } from '../../exit-hook.js';
import { systemFailure } from '../../os/errno.js';
import type { Native } from '../../os/native.js';
import { closePoller, openPoller, sharedWatch, wakePoller } from '../../os/poller.js';
import type { PollerHandles, PollerKind, Watch } from '../../os/poller-kinds.js';
import { WorkerThread } from './worker-thread.js';
import { SharedThreadState, type ThreadCommand, type ThreadOutcome } from './thread-protocol.js';
import { START_LIMIT_MS, WorkerSession } from './worker-session.js';

/**
 * How long the wait loop stays when it holds nothing. Long enough to bridge the gaps of a busy service, short
 * enough that the end of the process need not stop it.
 */
const LINGER_MS = 50;

export interface ThreadControlOptions {
  /** For tests. */
  readonly poller?: PollerKind;
  /** For tests. */
  readonly workerUrl?: string | undefined;
}

/** Hears of the thread. */
export interface ThreadOwner {
  onOutcomes(outcomes: ThreadOutcome[]): void;
  /** The thread has not begun its run in time. */
  onNotBegun(reason: string): void;
  /**
   * The run is over; with a `reason` it has failed, and its thread has ended. Returns the commands of jobs
   * that came too late for it, which are begun in another run.
   */
  onRunEnd(reason: string | undefined): ThreadCommand[];
}

/**
 * Those whose threads are in a wait. Node joins its threads at the end of the process, `process.exit()`
 * included, and would hang until each blocked call returns by itself.
 */
const waiting = new ExitHook<ThreadControl>((control) => control.stopAtExit());

/**
 * How long the end of the process waits for a thread that loads the C library, which takes some milliseconds.
 */
const LOADING_LIMIT_MS = 2_000;

/**
 * The wait thread from the main thread's side: the memory and the descriptors that both use, and one run of
 * the wait loop after the other.
 */
export class ThreadControl {
  readonly shared = new SharedThreadState();
  /** Puts descriptors on the thread's watch from here; `undefined` where only the thread can. */
  readonly watch: Watch | undefined;
  readonly #native: Native;
  readonly #owner: ThreadOwner;
  readonly #handles: PollerHandles;
  readonly #thread: WorkerThread;
  #run: WorkerSession | undefined;
  #runEnded: Promise<void> = Promise.resolve();
  /** The thread that has begun a run. */
  #begunWorker: WorkerThread['worker'];
  #freed: Promise<void> | undefined;
  #hasEnded = false;

  /** @throws {BrokerPoolError} `WORKER_FAILED` where the system has no descriptors for it */
  constructor(native: Native, owner: ThreadOwner, options: ThreadControlOptions) {
    this.#native = native;
    this.#owner = owner;
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
    this.#thread = new WorkerThread(options.workerUrl);
  }

  /** Whether the thread has started, so that a job does not wait for that. */
  get ready(): boolean {
    return this.#begunWorker !== undefined && this.#begunWorker === this.#thread.worker;
  }

  /** Whether a run is under way, so that commands can be sent. */
  get running(): boolean {
    return this.#run !== undefined;
  }

  /** Whether the thread has begun the run that is under way. */
  get begun(): Promise<boolean> | undefined {
    return this.#run?.begun;
  }

  start(commands: ThreadCommand[]): void {
    const task = { handles: this.#handles, shared: this.shared.buffer, lingerMs: LINGER_MS };
    if (!this.ready) this.shared.beginStart();
    const run = new WorkerSession(this.#thread, task, commands, (outcomes) =>
      this.#owner.onOutcomes(outcomes),
    );
    waiting.add(this);
    this.#run = run;
    this.#runEnded = run.ended.then((reason) => this.#onRunEnd(run, reason));
    void run.begun.then((hasBegun) => this.#onBegun(run, hasBegun));
  }

  /** The thread finds the command when it looks next; this does not wake it. */
  send(command: ThreadCommand): void {
    this.#run?.send(command);
  }

  /** Works off what the thread has said and the event loop has not read yet. */
  receive(): void {
    this.#run?.receive();
  }

  wake(): void {
    wakePoller(this.#native.polling, this.#handles);
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
   * Terminates the thread, which no longer keeps the process alive. Its run ends when it has ended, behind a
   * system call that it is in.
   */
  end(): void {
    this.#hasEnded = true;
    this.stop();
    if (this.shared.loading) void this.#runEnded.then(() => this.#thread.end());
    else void this.#thread.end();
    this.#thread.unref();
  }

  /** Closes what the thread waits with once all runs have ended; resolves then. No run can follow. */
  free(): Promise<void> {
    return (this.#freed ??= this.#free());
  }

  async #free(): Promise<void> {
    while (this.#run !== undefined) await this.#runEnded;
    await this.#thread.end();
    closePoller(this.#native.system, this.#handles);
  }

  #onBegun(run: WorkerSession, hasBegun: boolean): void {
    this.shared.giveUpStart();
    if (hasBegun) {
      this.#begunWorker = this.#thread.worker;
      // Not before: piscina references the thread as soon as it gives it the run.
      this.#thread.unref();
      return;
    }
    // What was put off while the thread might have been in Node's loader.
    if (this.#hasEnded) this.end();
    if (this.#run === run) this.#owner.onNotBegun(`it did not begin within ${START_LIMIT_MS} ms`);
  }

  #onRunEnd(run: WorkerSession, reason: string | undefined): void {
    run.close();
    waiting.delete(this);
    const commands = this.#owner.onRunEnd(reason);
    // Not before: a job that begins while others end must wait for the one new run, and not start a run of
    // its own.
    this.#run = undefined;
    if (commands.length > 0) this.start(commands);
  }
}
