import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { appendFileSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, watch, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { sendAdminRequest } from '../../src/index.js';
import { BrokerIsolation, encodeServiceDefinition } from '../../src/wire/service-definition.js';

const VERSION = '4.10.21';
const ROOT = fileURLToPath(new URL('../../../test/interop/rust/target/shipped/', import.meta.url));
const BINARY = join(ROOT, 'bin/running-process-broker-v1');
const PADDING_BYTES = 64 * 1024 * 1024;
const BUILD_LIMIT_MS = 14 * 60_000;

/** Installs the broker as its authors ship it, below the folder that git ignores. */
export function installShippedBroker(): void {
  if (existsSync(BINARY)) return;
  const parameters = ['install', 'running-process', '--version', VERSION, '--features', 'daemon', '--bin', 'running-process-broker-v1', '--root', ROOT, '--quiet'];
  const install = spawnSync('cargo', parameters, { stdio: 'inherit', timeout: BUILD_LIMIT_MS });
  if (install.status !== 0) throw new Error(`cargo install failed with ${install.status ?? install.signal}`);
}

/** The shipped broker in launch mode: many workers, no backend until somebody asks for one. */
export class ShippedBroker {
  readonly endpoint: string;
  readonly #directory: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #launched: string | undefined;

  private constructor(directory: string, endpoint: string, child: ChildProcess) {
    this.#directory = directory;
    this.endpoint = endpoint;
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', () => resolve());
    });
  }

  /** Starts a broker. It ends with the test, with all that it has launched, however the test goes. */
  static async start(t: ExecutionContext): Promise<ShippedBroker> {
    const directory = mkdtempSync(join(tmpdir(), 'bps-'));
    const services = join(directory, 'services');
    // Any bit for group or others, and the broker refuses the folder (D-03).
    mkdirSync(services, { mode: 0o700 });
    const endpoint = join(directory, 'broker.sock');
    const stopWatching = new AbortController();
    const bound = fileAppears(directory, 'broker.sock', stopWatching.signal);
    const child = spawn(BINARY, ['--serve-launch', endpoint, '--service-def-dir', services], {
      stdio: ['ignore', 'ignore', 'inherit'],
      // The broker refuses root unless it is told (V-40); tests in a container often are root.
      env: { ...process.env, RUNNING_PROCESS_BROKER_ALLOW_PRIVILEGED: '1' },
    });
    const broker = new ShippedBroker(directory, endpoint, child);
    t.teardown(() => broker.#cleanUp());
    const isBound = await Promise.race([bound, broker.#ended.then(() => false)]);
    stopWatching.abort();
    if (!isBound) throw new Error(`the shipped broker ended with ${child.exitCode ?? child.signalCode ?? 'an error'} before it listened`);
    return broker;
  }

  /** Has the broker know a service whose backend is a copy of `program`, launched when somebody asks for it (D-02, L-02). */
  define(serviceName: string, program: string): void {
    const binaries = join(this.#directory, 'binaries');
    mkdirSync(binaries, { mode: 0o700 });
    const binaryPath = join(binaries, serviceName);
    copyFileSync(program, binaryPath);
    // The broker hashes the file between launch and probe: a small one gives its process no time to listen (L-06).
    appendFileSync(binaryPath, Buffer.alloc(PADDING_BYTES));
    const definition = encodeServiceDefinition({ serviceName, binaryPath, perVersionBinaryDir: binaries, isolation: BrokerIsolation.SHARED_BROKER, minVersion: '1.0.0' });
    writeFileSync(join(this.#directory, 'services', `${serviceName}.servicedef`), definition);
    this.#launched = binaryPath;
  }

  /** SHUTDOWN drains and ends a broker in launch mode (V-36). */
  async stop(): Promise<number | null> {
    await sendAdminRequest({ brokerEndpoint: this.endpoint, verb: 'SHUTDOWN' });
    await this.#ended;
    return this.#child.exitCode;
  }

  async #cleanUp(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
    if (this.#launched !== undefined) endProcessesOf(this.#launched);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/**
 * Waits for the socket file, and says whether it is there: a bare connect to see whether somebody listens is just what a broker must not be
 * given.
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
function endProcessesOf(binaryPath: string): void {
  for (const pid of readdirSync('/proc').map(Number).filter(Number.isInteger)) {
    if (executableOf(pid) === binaryPath) process.kill(pid, 'SIGKILL');
  }
}

function executableOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return undefined;
  }
}
