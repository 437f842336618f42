import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BackendStats } from '../../src/backend/index.js';
import type { EchoBackendOptions } from './echo-backend.js';
import { LineProcess } from './real-broker.js';

const ENTRY = fileURLToPath(new URL('echo-backend.js', import.meta.url));

/** An echo backend in a Node process of its own. */
export class NodeBackend implements AsyncDisposable {
  readonly endpoint: string;
  readonly identityFile: string;
  readonly #options: EchoBackendOptions;
  readonly #directory: string;
  #process: LineProcess;

  private constructor(
    options: EchoBackendOptions & { readonly identityFile: string },
    directory: string,
    process: LineProcess,
  ) {
    this.endpoint = options.endpoint;
    this.identityFile = options.identityFile;
    this.#options = options;
    this.#directory = directory;
    this.#process = process;
  }

  /**
   * @param place where to serve, as a broker has been told; a directory of its own otherwise
   * @param takesHandoffs whether it has a handoff endpoint also in its own directory
   */
  static async start(place: Partial<EchoBackendOptions> = {}, takesHandoffs = false): Promise<NodeBackend> {
    const directory = mkdtempSync(join(tmpdir(), 'bpn-'));
    const own = {
      endpoint: join(directory, 'node.sock'),
      identityFile: join(directory, 'node.json'),
      ...(takesHandoffs ? { handoffEndpoint: join(directory, 'offers.sock') } : {}),
    };
    const options = { ...own, ...place };
    const process = await serve(options);
    return new NodeBackend(options, directory, process);
  }

  get handoffEndpoint(): string | undefined {
    return this.#options.handoffEndpoint;
  }

  get pid(): number {
    return this.#process.child.pid ?? 0;
  }

  stats(): Promise<BackendStats> {
    return this.#process.ask<BackendStats>('stats');
  }

  /** Ends it as a crash would; its files stay. */
  kill(): Promise<void> {
    return this.#process.kill();
  }

  /** Starts it again, in the same place. */
  async restart(): Promise<void> {
    this.#process = await serve(this.#options);
  }

  /** Ends it in good order. */
  async stop(): Promise<void> {
    await this.#process.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

async function serve(options: EchoBackendOptions): Promise<LineProcess> {
  const program = new LineProcess(process.execPath, [ENTRY, JSON.stringify(options)]);
  await program.read();
  return program;
}
