import type { Failure } from '../../../src/errors.js';
import type { ConnectionToValidate } from '../../../src/pool/health-check.js';
import { RefusalCode } from '../../../src/wire/messages.js';
import type { FakeClock } from '../../helpers/fake-clock.js';
import {
  connected,
  failed,
  fakeBehind,
  FakeDriver,
  FakeSocket,
  type SubmittedJob,
} from '../../helpers/fake-peers.js';
import type { SeededRandom } from '../../helpers/seeded-random.js';
import { SERVICES, type Service } from './scenario.js';

const FAILURES = {
  down: { code: 'BROKER_CONNECT', message: 'broker is down' },
  unknown: {
    code: 'REFUSED',
    message: 'unknown',
    refusalKind: 'serviceUnknown',
    refusalCode: RefusalCode.SERVICE_UNKNOWN,
  },
  later: {
    code: 'REFUSED',
    message: 'too many',
    refusalKind: 'rateLimited',
    refusalCode: RefusalCode.RATE_LIMITED,
  },
} as const satisfies Record<string, Failure>;

/** A connect, or the connection that has come of it. */
interface Begun {
  readonly service: Service;
  /** How often the target had been cleared by then. */
  readonly generation: number;
}

/** How long a waiter relies on a check that is under way. */
const PATIENCE_MS = 100;

/** The state of a socket, as far as the world outside the pool knows it. */
export interface SocketFacts {
  readonly service: Service;
  /** It was dead or dirty before this turn. */
  readonly spoilt: boolean;
  /** Its target was cleared, before this turn and after its connect began. */
  readonly stale: boolean;
}

/** Broker and backends, sockets and validations: everything on the other side of the pool. */
export class World {
  readonly driver = new FakeDriver();
  /** When a connect failed last. */
  readonly lastFailureMs: Record<Service, number> = { alpha: -Infinity, beta: -Infinity };
  readonly connectFailures: Record<Service, number> = { alpha: 0, beta: 0 };
  brokerUp = true;
  /** Nothing fails by chance. */
  quiet = false;
  readonly #random: SeededRandom;
  readonly #jobs = new Map<SubmittedJob, Begun>();
  readonly #sockets = new Map<FakeSocket, Begun>();
  /** Validations that wait for their answer. */
  readonly #validations = new Map<
    (healthy: boolean | Error) => void,
    { readonly socket: FakeSocket; readonly begunMs: number }
  >();
  readonly #generations: Record<Service, number> = { alpha: 0, beta: 0 };
  /** Cleared or spoilt in this turn: the connection may have been leased earlier in the same turn. */
  readonly #clearedInTurn = new Set<Service>();
  readonly #spoiltInTurn = new Set<FakeSocket>();
  readonly #failedInTurn = new Set<Service>();
  readonly #connectedInTurn = new Set<Service>();
  /** Where the last connect that ended, or attempt of one, has failed. */
  readonly #failedLast = new Set<Service>();
  readonly #clock: FakeClock;

  constructor(random: SeededRandom, clock: FakeClock) {
    this.#random = random;
    this.#clock = clock;
    this.driver.onStart = (job) => {
      const service = SERVICES.find((name) => Buffer.from(job.job.request).includes(name)) ?? 'alpha';
      this.#jobs.set(job, { service, generation: this.#generations[service] });
    };
  }

  beginTurn(): void {
    this.#clearedInTurn.clear();
    this.#spoiltInTurn.clear();
    // The caller that leased one in the last turn has looked at it by now.
    for (const socket of this.#sockets.keys()) if (!socket.isOpen) this.#sockets.delete(socket);
  }

  /** The pool hears of a failure when the turn is over, however much time has passed in it. */
  endTurn(): void {
    for (const service of this.#failedInTurn) {
      this.lastFailureMs[service] = this.#clock.nowMs;
      this.#failedLast.add(service);
    }
    // The pool may have heard of a failure of the same turn earlier.
    for (const service of this.#connectedInTurn) this.#failedLast.delete(service);
    this.#failedInTurn.clear();
    this.#connectedInTurn.clear();
  }

  /** The broker answers a caller, or is found to be away. */
  settleJob(job = this.#random.pick([...this.driver.pending])): void {
    const begun = job && this.#jobs.get(job);
    if (job === undefined || begun === undefined) return;
    this.#jobs.delete(job);
    if (!this.brokerUp || (!this.quiet && this.#random.chance(0.05))) return this.#fail(job, begun.service);
    const socket = new FakeSocket();
    this.#sockets.set(socket, begun);
    this.#connectedInTurn.add(begun.service);
    job.settle(connected(socket));
  }

  /** All jobs and validations succeed. */
  settleAll(): void {
    for (const job of this.driver.pending) this.settleJob(job);
    for (const answer of this.#validations.keys()) answer(true);
  }

  /** Whether the pool has known since the last turn that connecting does not work just now. */
  isDownFor(service: Service): boolean {
    return this.#failedLast.has(service) && !this.#connectedInTurn.has(service);
  }

  validate({ socket: lent }: ConnectionToValidate): Promise<boolean> {
    const socket = fakeBehind(lent);
    if (socket === undefined) throw new Error('not a socket of this world');
    return new Promise((resolve, reject) => {
      const answer = (healthy: boolean | Error): void => {
        this.#validations.delete(answer);
        if (healthy instanceof Error) reject(healthy);
        else resolve(healthy);
      };
      this.#validations.set(answer, { socket, begunMs: this.#clock.nowMs });
    });
  }

  answerValidation(healthy: boolean | Error): void {
    this.#random.pick([...this.#validations.keys()])?.(healthy);
  }

  /** Validations that began so recently that a waiter may rely on them. */
  youngValidations(service: Service): number {
    const young = [...this.#validations.values()].filter(({ socket, begunMs }) => {
      return (
        socket.isOpen &&
        this.#sockets.get(socket)?.service === service &&
        begunMs + PATIENCE_MS > this.#clock.ranUntilMs
      );
    });
    return young.length;
  }

  onClear(service: Service): void {
    this.#generations[service] += 1;
    this.#clearedInTurn.add(service);
  }

  openSockets(): FakeSocket[] {
    return [...this.#sockets.keys()].filter(({ isOpen }) => isOpen);
  }

  /** A connection ends or breaks off. */
  kill(how: (socket: FakeSocket) => void): void {
    const socket = this.#random.pick(this.openSockets().filter((each) => !each.spoilt && each.adopted));
    if (socket === undefined) return;
    this.spoil(socket);
    how(socket);
  }

  /** From the next turn on no caller may get this connection. */
  spoil(socket: FakeSocket): void {
    socket.spoilt = true;
    this.#spoiltInTurn.add(socket);
  }

  factsOf(leased: unknown): SocketFacts | undefined {
    const socket = fakeBehind(leased);
    const begun = socket && this.#sockets.get(socket);
    if (socket === undefined || begun === undefined) return undefined;
    const { service, generation } = begun;
    return {
      service,
      spoilt: socket.spoilt && !this.#spoiltInTurn.has(socket),
      stale: generation < this.#generations[service] && !this.#clearedInTurn.has(service),
    };
  }

  #fail(job: SubmittedJob, service: Service): void {
    this.#failedInTurn.add(service);
    const failure = FAILURES[this.#random.weighted({ down: 6, unknown: 2, later: 2 })];
    // A transient refusal is retried as long as a caller waits, and does not count as a failure until then.
    if (failure !== FAILURES.later) this.connectFailures[service] += 1;
    job.settle(
      failed(
        failure === FAILURES.later
          ? { ...failure, retryAfterMs: this.#random.pick([0, 40, 1_200]) ?? 0 }
          : failure,
      ),
    );
  }
}
