import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { installServiceDefinition } from '../../src/backend/index.js';
import { BrokerPoolError, sendAdminRequest } from '../../src/index.js';
import { BrokerIsolation, encodeServiceDefinition } from '../../src/wire/service-definition.js';

const VERSION = '4.10.21';
const ROOT = fileURLToPath(new URL('../../../test/interop/rust/target/shipped/', import.meta.url));
const BINARY = join(ROOT, 'bin/running-process-broker-v1');
const PADDING_BYTES = 64 * 1024 * 1024;
export const BUILD_LIMIT_MS = 14 * 60_000;

/** Installs the broker as its authors ship it, below the folder that git ignores. */
export function installShippedBroker(): void {
  if (existsSync(BINARY)) return;
  const parameters = [
    'install',
    'running-process',
    '--version',
    VERSION,
    '--features',
    'daemon',
    '--bin',
    'running-process-broker-v1',
    '--root',
    ROOT,
    '--quiet',
  ];
  const install = spawnSync('cargo', parameters, { stdio: 'inherit', timeout: BUILD_LIMIT_MS });
  if (install.status !== 0) throw new Error(`cargo install failed with ${install.status ?? install.signal}`);
}

const BROKER_SOCKET = 'broker.sock';
const MOST_ATTEMPTS = 500;
const ATTEMPT_PAUSE_MS = 10;

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
}

/** The shipped broker in launch mode: many workers, no backend until a client asks for one. */
export class ShippedBroker {
  readonly endpoint: string;
  readonly #directory: string;
  #running: Running | undefined;
  #launched: string | undefined;
  readonly #installed: string[] = [];

  private constructor(directory: string) {
    this.#directory = directory;
    this.endpoint = join(directory, BROKER_SOCKET);
  }

  /** Starts a broker. It ends with the test, with all that it has launched, however the test goes. */
  static async start(t: ExecutionContext): Promise<ShippedBroker> {
    const directory = mkdtempSync(join(tmpdir(), 'bps-'));
    // Any bit for group or others, and the broker refuses the folder (D-03).
    mkdirSync(join(directory, 'services'), { mode: 0o700 });
    const broker = new ShippedBroker(directory);
    t.teardown(() => broker.#cleanUp());
    await broker.restart();
    return broker;
  }

  /** Starts it in the same place, once it has ended. */
  async restart(): Promise<void> {
    // A broker that was killed leaves its socket file behind.
    rmSync(this.endpoint, { force: true });
    const stopWatching = new AbortController();
    const bound = fileAppears(this.#directory, BROKER_SOCKET, stopWatching.signal);
    const child = spawn(
      BINARY,
      ['--serve-launch', this.endpoint, '--service-def-dir', join(this.#directory, 'services')],
      {
        stdio: ['ignore', 'ignore', 'inherit'],
        // The broker refuses root unless it is told (V-40); tests in a container often are root.
        env: { ...process.env, RUNNING_PROCESS_BROKER_ALLOW_PRIVILEGED: '1' },
      },
    );
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', () => resolve());
    });
    this.#running = { child, ended };
    const isBound = await Promise.race([bound, ended.then(() => false)]);
    stopWatching.abort();
    if (!isBound)
      throw new Error(
        `the shipped broker ended with ${child.exitCode ?? child.signalCode ?? 'an error'} before it listened`,
      );
    await this.#answers();
  }

  /**
   * Its socket file is there a moment before it listens. A connect that is refused in between does a broker
   * no harm.
   */
  async #answers(): Promise<void> {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt += 1) {
      try {
        await sendAdminRequest({ brokerEndpoint: this.endpoint, verb: 'HEALTHZ' });
        return;
      } catch (error) {
        if (!(error instanceof BrokerPoolError) || error.code !== 'BROKER_CONNECT') throw error;
        await delay(ATTEMPT_PAUSE_MS);
      }
    }
    throw new Error('the shipped broker has a socket and does not listen');
  }

  /** Kills the broker alone. */
  async kill(): Promise<void> {
    this.#running?.child.kill('SIGKILL');
    await this.#running?.ended;
  }

  /** Kills the backends that it has launched. */
  killBackends(): void {
    if (this.#launched !== undefined) endProcessesOf(this.#launched);
  }

  /** Ends the backends of a service with SIGTERM. */
  endBackends(serviceName: string): void {
    endProcessesOf(join(this.#directory, 'binaries', serviceName), 'SIGTERM');
  }

  /** Has the broker know a service whose backend is a copy of `program`, installed as users do it. */
  async install(serviceName: string, program: string): Promise<string> {
    const binaries = join(this.#directory, 'binaries');
    mkdirSync(binaries, { recursive: true, mode: 0o700 });
    const binaryPath = join(binaries, serviceName);
    copyFileSync(program, binaryPath);
    const directory = join(this.#directory, 'services');
    await installServiceDefinition({ serviceName, binaryPath, directory, minVersion: '1.0.0' });
    this.#installed.push(binaryPath);
    return binaryPath;
  }

  /**
   * Has the broker know a service whose backend is a copy of `program`, launched when a client asks for it
   * (D-02, L-02).
   */
  define(serviceName: string, program: string): void {
    const binaries = join(this.#directory, 'binaries');
    mkdirSync(binaries, { mode: 0o700 });
    const binaryPath = join(binaries, serviceName);
    copyFileSync(program, binaryPath);
    // The broker hashes the file between launch and probe: a small one gives its process no time to listen
    // (L-06).
    appendFileSync(binaryPath, Buffer.alloc(PADDING_BYTES));
    const definition = encodeServiceDefinition({
      serviceName,
      binaryPath,
      perVersionBinaryDir: binaries,
      isolation: BrokerIsolation.SHARED_BROKER,
      minVersion: '1.0.0',
    });
    writeFileSync(join(this.#directory, 'services', `${serviceName}.servicedef`), definition);
    this.#launched = binaryPath;
  }

  /** SHUTDOWN drains and ends a broker in launch mode (V-36). */
  async stop(): Promise<number | null> {
    await sendAdminRequest({ brokerEndpoint: this.endpoint, verb: 'SHUTDOWN' });
    await this.#running?.ended;
    return this.#running?.child.exitCode ?? null;
  }

  async #cleanUp(): Promise<void> {
    await this.kill();
    this.killBackends();
    for (const binaryPath of this.#installed) endProcessesOf(binaryPath);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/**
 * Waits for the socket file, and says whether it is there: a bare connect to probe for a listener is
 * just what a broker must not be given.
 */
async function fileAppears(directory: string, name: string, signal: AbortSignal): Promise<boolean> {
  const watcher = watch(directory);
  try {
    while (!existsSync(join(directory, name))) await once(watcher, 'change', { signal });
    return true;
  } catch {
    return false;
  } finally {
    watcher.close();
  }
}

/** Backends outlive the broker that launched them (L-03): those that run this very file are ended. */
function endProcessesOf(binaryPath: string, signal: NodeJS.Signals = 'SIGKILL'): void {
  for (const pid of readdirSync('/proc').map(Number).filter(Number.isInteger)) {
    if (executableOf(pid) === binaryPath) process.kill(pid, signal);
  }
}

function executableOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return undefined;
  }
}
