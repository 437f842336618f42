import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { canHandOff } from '../../src/testing/index.js';
import { VERSION } from '../helpers/talk.js';
import { SILENT_LINE, type PeerTask } from './peer-task.js';
import type { Random } from './random.js';

const ENTRY = fileURLToPath(new URL('peer.js', import.meta.url));

/** A peer process with an endpoint of its own, that dies and comes back. */
export class Peer {
  readonly endpoint: string;
  readonly #task: (seed: number) => PeerTask;
  readonly #random: Random;
  readonly #files: readonly string[];
  #child: ChildProcess | undefined;

  constructor(random: Random, task: (seed: number) => PeerTask) {
    this.#random = random;
    this.#task = task;
    const made = task(0);
    this.endpoint = made.endpoint;
    this.#files =
      made.role === 'backend' && made.handoffEndpoint !== undefined
        ? [made.endpoint, made.handoffEndpoint]
        : [made.endpoint];
  }

  async start(): Promise<void> {
    this.#removeFiles();
    const task = this.#task(this.#random.between(1, 2 ** 31));
    const child = spawn(process.execPath, [ENTRY, JSON.stringify(task)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child = child;
    child.stdin.on('error', () => {});
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`a peer ended with ${code} before it served`);
    });
    await Promise.race([once(child.stdout, 'data'), ended]);
    ended.catch(() => {});
    child.stdout.resume();
  }

  /** SIGKILL: the peers are not told, socket files stay. */
  async kill(): Promise<void> {
    await this.#end((child) => child.kill('SIGKILL'));
  }

  async stop(): Promise<void> {
    await this.#end((child) => {
      child.kill('SIGCONT');
      child.stdin?.end();
    });
    this.#removeFiles();
  }

  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /** The share of its requests that it gets wrong. */
  misbehave(share: number): void {
    this.#child?.stdin?.write(`${share}\n`);
  }

  /** Whether it leaves all requests without an answer. */
  fallSilent(silent: boolean): void {
    this.#child?.stdin?.write(silent ? `${SILENT_LINE}\n` : '0\n');
  }

  /** Puts something else where its socket was. */
  plant(what: 'nothing' | 'directory' | 'file'): void {
    this.#removeFiles();
    if (what === 'directory') mkdirSync(this.endpoint);
    if (what === 'file') writeFileSync(this.endpoint, 'not a socket');
  }

  async #end(ask: (child: ChildProcess) => void): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    const closed = once(child, 'close');
    ask(child);
    await closed;
  }

  #removeFiles(): void {
    for (const file of this.#files) rmSync(file, { recursive: true, force: true });
  }
}

export interface Peers {
  readonly broker: Peer;
  /** All of them, that of frames included. */
  readonly backends: readonly Peer[];
  /** The services of backends that echo bytes. */
  readonly services: readonly string[];
  /** The service of the backend that answers frames. */
  readonly frames: { readonly serviceName: string; readonly identityFile: string };
}

/** A broker of four services, the two backends behind three of them, and the backend for frames. */
export async function startPeers(directory: string, random: Random): Promise<Peers> {
  const handoff = (name: string): string | undefined =>
    canHandOff() ? `${directory}/${name}-handoff.sock` : undefined;
  const backendTask =
    (name: string) =>
    (seed: number): PeerTask => ({
      role: 'backend',
      seed,
      endpoint: `${directory}/${name}.sock`,
      handoffEndpoint: handoff(name),
    });
  const service = (name: string) => {
    const handoffEndpoint = handoff(name);
    return {
      endpoint: `${directory}/${name}.sock`,
      version: VERSION,
      ...(handoffEndpoint !== undefined && { handoffEndpoint }),
    };
  };
  const echoing = { red: service('one'), green: service('two'), blue: service('two') };
  const frames = { endpoint: `${directory}/frames.sock`, identityFile: `${directory}/frames.identity.json` };
  const services = { ...echoing, violet: { endpoint: frames.endpoint, version: VERSION } };
  const broker = new Peer(random, (seed) => ({
    role: 'broker',
    seed,
    endpoint: `${directory}/broker.sock`,
    services,
  }));
  const backends = [
    ...['one', 'two'].map((name) => new Peer(random, backendTask(name))),
    new Peer(random, (seed) => ({ role: 'frames', seed, ...frames })),
  ];
  await Promise.all([broker, ...backends].map((peer) => peer.start()));
  return {
    broker,
    backends,
    services: Object.keys(echoing),
    frames: { serviceName: 'violet', identityFile: frames.identityFile },
  };
}
