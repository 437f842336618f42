import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { systemClock } from '../clock.js';
import { ExitHook } from '../exit-hook.js';
import { packageFile } from '../package-files.js';
import { pauseProcess } from './pause-process.js';
import {
  COUNTS_COMMAND,
  STOP_COMMAND,
  type ServeFailure,
  type ServeReady,
  type ServeTask,
} from './serve-protocol.js';

const ENTRY = packageFile('src/testing/serve.js');
/** How long a process may take to end by itself. */
const END_LIMIT_MS = 5_000;

/** Running processes. A paused one would not notice the end of this process. */
const running = new ExitHook<ChildProcess>((child) => resume(child));

/** No effect on a process that has ended. Windows has no such signal. */
function resume(child: ChildProcess): void {
  if (process.platform !== 'win32') child.kill('SIGCONT');
}

/** A broker or a backend in a process of its own. It ends with its parent process, also when that is killed. */
export class ServerProcess<Counts> implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  readonly #ended: Promise<void>;
  #ready: ServeReady | undefined;
  /** The last question. The next one waits for its answer: answers carry no name. */
  #asked: Promise<unknown> = Promise.resolve();

  private constructor(task: ServeTask) {
    if (ENTRY === undefined)
      throw new Error(
        'the file of the server process is missing: broker-pool/testing cannot start processes from a bundle',
      );
    this.#child = spawn(process.execPath, [ENTRY, JSON.stringify(task)], {
      stdio: ['pipe', 'pipe', 'inherit'],
      windowsHide: true,
    });
    const { stdin, stdout } = this.#child;
    if (stdin === null || stdout === null) throw new Error('the server process has no pipes');
    // A process that has ended takes no more input; 'exit' reports that.
    stdin.on('error', () => {});
    this.#reader = createInterface({ input: stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
    running.add(this.#child);
    this.#ended = new Promise((resolve) => {
      const onEnd = (): void => {
        running.delete(this.#child);
        resolve();
      };
      this.#child.once('exit', onEnd);
      this.#child.once('error', onEnd);
    });
  }

  /** Starts a process and waits until it serves. */
  static async start<Counts>(task: ServeTask): Promise<ServerProcess<Counts>> {
    const server = new ServerProcess<Counts>(task);
    try {
      const first = await server.#readLine<ServeReady | ServeFailure>();
      if ('problem' in first) throw new Error(first.problem);
      server.#ready = first;
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** Where it serves. */
  get endpoint(): string {
    return this.#ready?.endpoint ?? '';
  }

  /** Where it takes over connections, if it is a backend that does. */
  get handoffEndpoint(): string | undefined {
    return this.#ready?.handoffEndpoint;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The server's counters. */
  counts(): Promise<Counts> {
    const answer = this.#asked.then(() => {
      this.#child.stdin?.write(`${COUNTS_COMMAND}\n`);
      return this.#readLine<Counts>();
    });
    this.#asked = answer.catch(() => {});
    return answer;
  }

  /**
   * Pauses it (SIGSTOP): it accepts and answers nothing, but its sockets stay. On Linux it is stopped when this
   * returns. Not on Windows.
   */
  pause(): void {
    pauseProcess(this.#child);
  }

  /** Continues it after {@link ServerProcess.pause}. */
  resume(): void {
    resume(this.#child);
  }

  /** Ends it at once (SIGKILL), as a crash would: its socket files stay behind. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  /** Asks it to end, waits until it has, and kills it if that takes 5 s. Idempotent. */
  async stop(): Promise<void> {
    this.resume();
    const cancelKill = systemClock.schedule(END_LIMIT_MS, () => this.#child.kill('SIGKILL'), true);
    this.#child.stdin?.end(`${STOP_COMMAND}\n`);
    await this.#ended;
    cancelKill();
    this.#reader.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #readLine<Message>(): Promise<Message> {
    const { done, value } = await this.#lines.next();
    if (done === true) throw new Error('the server process has ended');
    const message: Message = JSON.parse(value);
    return message;
  }
}
