/** The crate's frame clients and backends, as processes of their own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LineProcess, type RealEndpoints } from './real-broker.js';

/** The payload protocol that the backends echo. */
export const ECHO_PROTOCOL = 0x7a63;
/** The one on which a payload is a command to the mux backend: `slow 50`, `twice`; see rust/README.md. */
export const COMMAND_PROTOCOL = 0xf0c0;

/** How the crate's client comes to its backend. */
export type RustWay =
  | { readonly endpoint: string }
  | { readonly identityFile: string }
  | {
      readonly broker: Pick<RealEndpoints, 'broker' | 'service' | 'version'>;
      /** A known endpoint: hello-skip. */
      readonly cached?: string;
      /** Take over the connection that carried the Hello. */
      readonly adopt?: boolean;
      /** `AsyncBrokerSession`, on tokio. */
      readonly asynchronous?: boolean;
    };

/** What {@link RustFrames} asks for at its start; see rust/README.md. */
export interface RustFramesOptions {
  readonly protocol?: number;
  readonly payload?: string;
  readonly expectPattern?: number;
  readonly retry?: boolean;
  readonly abandonEvery?: number;
}

/** One round of requests. */
export interface RustRound {
  readonly n?: number;
  /** Connections, with one request at a time each. */
  readonly threads?: number;
  /** Bytes of a payload: `64`, or `0..65536`. */
  readonly sizes?: string;
  readonly seed?: number;
  /** Requests in flight on each connection; only at an endpoint. */
  readonly inFlight?: number;
}

/** The program's line after a round. */
export interface RustReport {
  readonly route: 'hello-skip' | 'broker-negotiated' | 'handle-passed' | 'endpoint' | 'identity-file';
  readonly endpoint: string;
  readonly n: number;
  readonly bytes: number;
  readonly failures: number;
  readonly firstFailure: string | null;
  readonly abandoned: number;
  readonly perSecond: number;
  readonly samplesNs: readonly number[];
}

/** The crate's `BrokerSession` or `FrameClient`. It compares each answer byte by byte. */
export class RustFrames implements AsyncDisposable {
  readonly #process: LineProcess;

  constructor(program: string, way: RustWay, options: RustFramesOptions = {}) {
    this.#process = new LineProcess(program, [
      'request',
      '--interactive',
      ...wordsOf(way),
      ...extra(options),
    ]);
  }

  /** Opens the connections, then sends `n` requests over them. A wrong answer is an error. */
  async round(round: RustRound): Promise<RustReport> {
    const report = await this.#process.ask<RustReport | { readonly error: string }>(JSON.stringify(round));
    if ('error' in report) throw new Error(`the Rust client failed: ${report.error}`);
    return report;
  }

  stop(): Promise<void> {
    return this.#process.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** One round of a client that is started for it. */
export async function rustRequests(
  program: string,
  way: RustWay,
  round: RustRound,
  options: RustFramesOptions = {},
): Promise<RustReport> {
  await using client = new RustFrames(program, way, options);
  return await client.round(round);
}

function wordsOf(way: RustWay): string[] {
  if ('endpoint' in way) return ['--endpoint', way.endpoint];
  if ('identityFile' in way) return ['--identity-file', way.identityFile];
  const { adopt, asynchronous, cached } = way;
  const { broker, service, version } = way.broker;
  const words = ['--broker', broker, '--service', service, '--version', version];
  if (cached !== undefined) words.push('--cached', cached);
  if (adopt === true) words.push('--adopt');
  if (asynchronous === true) words.push('--async');
  return words;
}

function extra({ protocol, payload, expectPattern, retry, abandonEvery }: RustFramesOptions): string[] {
  const words: string[] = [];
  if (protocol !== undefined) words.push('--protocol', String(protocol));
  if (payload !== undefined) words.push('--payload', payload);
  if (expectPattern !== undefined) words.push('--expect-pattern', String(expectPattern));
  if (retry === true) words.push('--retry');
  if (abandonEvery !== undefined) words.push('--abandon-every', String(abandonEvery));
  return words;
}

interface BackendReady {
  readonly endpoint: string;
  readonly identityFile: string;
  readonly pid: number;
}

/** The counts of the mux backend. */
export interface MuxStats {
  readonly backendConnections: number;
  readonly backendOpen: number;
  readonly probes: number;
  readonly requests: number;
}

/** A backend of the crate that needs no broker: on its mux, or its service server. */
export class RustBackend implements AsyncDisposable {
  readonly endpoint: string;
  readonly identityFile: string;
  readonly #directory: string;
  readonly #serve: () => LineProcess;
  #process: LineProcess;

  private constructor(
    ready: BackendReady,
    directory: string,
    process: LineProcess,
    serve: () => LineProcess,
  ) {
    this.endpoint = ready.endpoint;
    this.identityFile = ready.identityFile;
    this.#directory = directory;
    this.#process = process;
    this.#serve = serve;
  }

  /** `BackendEndpointMux` with a thread for each connection, which answers one request after the other. */
  static async startMux(program: string): Promise<RustBackend> {
    return await RustBackend.#start((directory) => {
      const files = [
        '--endpoint',
        join(directory, 'mux.sock'),
        '--identity-file',
        join(directory, 'mux.json'),
      ];
      return new LineProcess(program, ['mux-backend', ...files]);
    });
  }

  /** `ServiceServer`, whose workers answer at the same time. */
  static async startService(program: string, workers = 4): Promise<RustBackend> {
    return await RustBackend.#start((directory) => {
      const words = ['service-backend', '--dir', directory, '--workers', String(workers)];
      // S-81: its endpoint lies there.
      return new LineProcess(program, words, { ...process.env, XDG_RUNTIME_DIR: directory });
    });
  }

  static async #start(serveIn: (directory: string) => LineProcess): Promise<RustBackend> {
    const directory = mkdtempSync(join(tmpdir(), 'bpr-'));
    const serve = (): LineProcess => serveIn(directory);
    const process = serve();
    return new RustBackend(await process.read<BackendReady>(), directory, process, serve);
  }

  /** Only of a backend on the mux. */
  stats(): Promise<MuxStats> {
    return this.#process.ask<MuxStats>('stats');
  }

  /** Ends it as a crash would; its files stay. */
  kill(): Promise<void> {
    return this.#process.kill();
  }

  /** Starts it again, in the same place. */
  async restart(): Promise<void> {
    this.#process = this.#serve();
    await this.#process.read<BackendReady>();
  }

  async stop(): Promise<void> {
    await this.#process.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** The answer to `large BYTES`. */
export function pattern(bytes: number): Uint8Array {
  const filled = new Uint8Array(bytes);
  for (let index = 0; index < bytes; index += 1) filled[index] = index * 31 + bytes;
  return filled;
}
