import { PollLoop } from '../../../src/negotiation/wait-thread/poll-loop.js';
import {
  SharedThreadState,
  type CommandPort,
  type OrphanedSocket,
  type StartCommand,
  type ThreadCommand,
  type ThreadOutcome,
} from '../../../src/negotiation/wait-thread/thread-protocol.js';
import { errno } from '../../../src/os/errno.js';
import type { SystemCalls } from '../../../src/os/native.js';
import type { Poller } from '../../../src/os/poller-kinds.js';
import { BROKER, DEADLINE_MS, NEGOTIATED, negotiatedFrame, REQUEST } from '../exchange/exchange-kit.js';

export const SLOT = 5;
export const DESCRIPTOR = 40;
/** The first descriptor that the loop opens itself. */
export const OPENED = 101;
export const LINGER_MS = 50;
export const EAGAIN = -(errno['EAGAIN'] ?? 0);

export const JOB = {
  kind: 'handshake',
  brokerEndpoint: BROKER,
  request: REQUEST,
  deadlineMs: DEADLINE_MS,
  roundTripTimeoutMs: 30_000,
  adoptHandedOffConnection: false,
  handoffReadyTimeoutMs: 2_000,
  trust: undefined,
} as const;

/** The command for a job that the main thread has begun. */
export function start(changes: Partial<StartCommand> = {}): StartCommand {
  return {
    kind: 'start',
    slot: SLOT,
    job: JOB,
    descriptor: DESCRIPTOR,
    sent: REQUEST.length,
    watched: true,
    ...changes,
  };
}

/** The command for a job that the loop dials itself. */
export function dialled(changes: Partial<StartCommand> = {}): StartCommand {
  return start({ descriptor: -1, sent: 0, watched: false, ...changes });
}

export const RELEASE: ThreadCommand = { kind: 'release', slot: SLOT };

/** One wait: how long it was to take, and what becomes readable. */
export type Turn = (world: World, timeoutMs: number, ready: (descriptor: number) => void) => void;

/** A poll loop whose system, poller and clock are the test's. The session ends when the turns are used up. */
export class World {
  readonly shared = new SharedThreadState();
  readonly commands: ThreadCommand[] = [];
  readonly outcomes: ThreadOutcome[] = [];
  readonly sent: number[][] = [];
  readonly watched: number[] = [];
  readonly closed: number[] = [];
  /** Every call that opens, closes, watches or hands over something, in order. */
  readonly log: string[] = [];
  nowMs = 1_000;
  /** Results of the next sends; then whatever they are given. */
  sends: number[] = [];
  /** What the next read finds: bytes, or a result. */
  received: Uint8Array | number | undefined;
  /** The result of a look that does not wait. */
  look: (ready: (descriptor: number) => void) => void = () => {};
  /** Where the loop wanted to have what it receives. */
  receiveBuffer: Uint8Array | undefined;
  /** The poller's answer to a descriptor for its watch. */
  watchResult = 0;
  /** Results of the next openings; then new descriptors. */
  opens: number[] = [];
  /** Results of the next connects; then 0. */
  connects: number[] = [];
  #lastDescriptor = OPENED - 1;

  /** What the ledger says of the job's slot. */
  get owned(): OrphanedSocket | undefined {
    const left = this.shared.takeOver(SLOT);
    if (left !== undefined) this.shared.own(SLOT, left.descriptor, left.obligation);
    return left;
  }

  run(...turns: Turn[]): void {
    const system: SystemCalls = {
      openSocket: () => {
        this.log.push('open');
        return this.opens.shift() ?? ++this.#lastDescriptor;
      },
      connect: () => {
        this.log.push('connect');
        return this.connects.shift() ?? 0;
      },
      send: (_, bytes) => {
        this.log.push(`send with obligation ${this.owned?.obligation}`);
        this.sent.push([...bytes]);
        return this.sends.shift() ?? bytes.length;
      },
      receive: (_, into) => {
        this.log.push(`receive with obligation ${this.owned?.obligation}`);
        const { received } = this;
        this.received = undefined;
        if (received === undefined) return EAGAIN;
        if (typeof received === 'number') return received;
        into.set(received);
        this.receiveBuffer = into;
        return received.length;
      },
      close: (descriptor) => {
        this.log.push(`close ${descriptor}${this.owned === undefined ? '' : ' although it is owned'}`);
        return this.closed.push(descriptor);
      },
    };
    const poller: Poller = {
      add: (descriptor) => {
        this.log.push(`watch ${descriptor}`);
        this.watched.push(descriptor);
        return this.watchResult;
      },
      remove: (descriptor) => this.log.push(`unwatch ${descriptor}`),
      wait: (timeoutMs, ready) => {
        if (timeoutMs === 0) return this.look(ready);
        const turn = turns.shift();
        if (turn === undefined) this.shared.requestStop();
        else turn(this, timeoutMs, ready);
      },
    };
    const port: CommandPort = {
      take: () => this.commands.shift(),
      post: (outcomes) => {
        this.log.push(`post ${outcomes.length}`);
        this.outcomes.push(...outcomes);
      },
    };
    new PollLoop(system, poller, this.shared, port, () => this.nowMs).run(LINGER_MS);
  }
}

/** Time passes and nothing happens. */
export const pass: Turn = (world, timeoutMs) => {
  world.nowMs += timeoutMs;
};

/** Bytes, or the result of a failed read, arrive on the connection to the broker. */
export function arrive(received: Uint8Array | number, descriptor = DESCRIPTOR): Turn {
  return (world, _, ready) => {
    world.received = received;
    ready(descriptor);
  };
}

export const reply: Turn = arrive(negotiatedFrame());

/** The outcome of a job whose broker negotiated. */
export const connected = {
  slot: SLOT,
  kind: 'connected',
  descriptor: OPENED,
  endpoint: NEGOTIATED.backendPipe,
  route: 'broker-negotiated',
};
