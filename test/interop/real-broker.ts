import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ExitHook } from '../../src/exit-hook.js';
import { pauseProcess } from '../../src/testing/pause-process.js';

/**
 * The Rust program over the published crate; see rust/README.md. From dist/test/interop the sources are three
 * levels up.
 */
const RUST_FOLDER = fileURLToPath(new URL('../../../test/interop/rust/', import.meta.url));
const PROGRAM = join(RUST_FOLDER, 'target/release/broker-pool-interop');
const BUILD_LIMIT_MS = 14 * 60_000;

/** Builds the program if cargo is there; says why not otherwise. */
export function buildInteropProgram(): { program: string } | { missing: string } {
  if (process.platform === 'win32') return { missing: 'the interop program serves Unix sockets' };
  const cargo = spawnSync('cargo', ['--version'], { stdio: 'ignore' });
  if (cargo.error !== undefined) {
    return existsSync(PROGRAM) ? { program: PROGRAM } : { missing: 'cargo is not installed' };
  }
  const build = spawnSync('cargo', ['build', '--release', '--quiet'], {
    cwd: RUST_FOLDER,
    stdio: 'inherit',
    timeout: BUILD_LIMIT_MS,
  });
  if (build.status !== 0) throw new Error(`cargo build failed with ${build.status ?? build.signal}`);
  return { program: PROGRAM };
}

/** Running programs. One that is stopped would outlive a failed test, and the run would wait for its output. */
const running = new ExitHook<ChildProcess>((child) => child.kill('SIGKILL'));

/** A running child that answers lines with lines. It ends with this process, also where a test has failed. */
export class LineProcess {
  readonly child: ChildProcess;
  readonly #lines: Interface;
  readonly #answers: AsyncIterator<string>;

  constructor(program: string, parameters: readonly string[], environment: NodeJS.ProcessEnv = process.env) {
    this.child = spawn(program, parameters, { stdio: ['pipe', 'pipe', 'inherit'], env: environment });
    running.add(this.child);
    this.child.once('exit', () => running.delete(this.child));
    if (this.child.stdout === null) throw new Error('no standard output');
    this.#lines = createInterface({ input: this.child.stdout });
    this.#answers = this.#lines[Symbol.asyncIterator]();
  }

  /** The next line of output as JSON. */
  async read<T>(): Promise<T> {
    const { value, done } = await this.#answers.next();
    if (done === true)
      throw new Error(
        `the program ended with ${this.child.exitCode ?? this.child.signalCode ?? 'an open exit'}`,
      );
    const answer: T = JSON.parse(value);
    return answer;
  }

  async ask<T>(line: string): Promise<T> {
    this.child.stdin?.write(`${line}\n`);
    return await this.read<T>();
  }

  /** Ends it at once, as a crash would: its socket files stay behind. */
  async kill(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.child.once('exit', () => resolve()));
    this.child.kill('SIGKILL');
    await ended;
    this.#lines.close();
  }

  /** Closes standard input, upon which the program ends by itself; kills it if it does not. */
  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => this.child.once('exit', () => resolve()));
    const limit = setTimeout(() => this.child.kill('SIGKILL'), 10_000);
    this.child.stdin?.end();
    await ended;
    clearTimeout(limit);
    this.#lines.close();
  }
}

/** Where the real broker and its backend are. */
export interface RealEndpoints {
  readonly broker: string;
  readonly backend: string;
  /** Where the broker hands connections over; null if it does not. */
  readonly handoff: string | null;
  readonly service: string;
  readonly version: string;
  readonly pid: number;
}

/**
 * The program's counts. `restarts`: how often a client's hang-up ended the broker's accept loop
 * (V-31).
 */
export interface RealStats {
  readonly restarts: number;
  readonly hellos: number;
  readonly backendConnections: number;
  readonly probes: number;
  /** Frames that the backend on the crate's mux has answered. */
  readonly requests: number;
  readonly handoffs: number;
}

/**
 * What stands behind the broker: raw bytes echoed, the crate's mux, or a process of the caller's, which binds
 * the endpoints once the broker is up. See rust/README.md.
 */
export type RealBackend = 'echo' | 'mux' | 'external';

/** The real broker, registered mode, with its backend in the same process unless that is external (P-13). */
export class RealBroker {
  readonly endpoints: RealEndpoints;
  readonly directory: string;
  #process: LineProcess;
  readonly #serve: () => LineProcess;

  private constructor(
    endpoints: RealEndpoints,
    directory: string,
    process: LineProcess,
    serve: () => LineProcess,
  ) {
    this.endpoints = endpoints;
    this.directory = directory;
    this.#process = process;
    this.#serve = serve;
  }

  /** @param backendEndpoint where the backend listens, instead of a place that the program chooses */
  static async start(
    program: string,
    handoff: 'accept' | 'reject' | 'silent' | 'none' = 'none',
    backend: RealBackend = 'echo',
    backendEndpoint?: string,
  ): Promise<RealBroker> {
    const directory = mkdtempSync(join(tmpdir(), 'bpi-'));
    // The broker binds only below a private directory (N-10).
    chmodSync(directory, 0o700);
    const words = ['serve', '--dir', directory, '--handoff', handoff, '--backend', backend];
    if (backendEndpoint !== undefined) words.push('--backend-endpoint', backendEndpoint);
    const serve = (): LineProcess => new LineProcess(program, words);
    const process = serve();
    const endpoints = await process.read<RealEndpoints>();
    return new RealBroker(endpoints, directory, process, serve);
  }

  /** Stops broker and backend in their tracks. */
  pause(): void {
    pauseProcess(this.#process.child);
  }

  resume(): void {
    this.#process.child.kill('SIGCONT');
  }

  /** Ends broker and backend as a crash would. */
  async kill(): Promise<void> {
    await this.#process.kill();
  }

  /** Starts broker and backend again, at the same endpoints. */
  async restart(): Promise<void> {
    this.#process = this.#serve();
    await this.#process.read<RealEndpoints>();
  }

  stats(): Promise<RealStats> {
    return this.#process.ask<RealStats>('stats');
  }

  async stop(): Promise<void> {
    await this.#process.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
