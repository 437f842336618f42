import { readOptions, type SettingsOf } from '../option-table.js';
import { checkFunction } from '../validation.js';
import type { AdminReply, AdminRequest } from '../wire/messages.js';
import type { BrokerBehaviour, ReceivedHello, ReplyBehaviour } from './behaviour.js';
import { converse } from './broker-conversation.js';
import { BrokerState } from './broker-state.js';
import { BrokerSideConnection } from './broker-side-connection.js';
import type { EmbeddedService } from './hello-rules.js';
import { Listener } from './listener.js';
import { checkBehaviour, checkReplyBehaviour } from './check-behaviour.js';
import { embeddedBrokerOptions, type EmbeddedBrokerOptions } from './options.js';
import { SocketDirectory } from './socket-directory.js';

/**
 * A broker in this process, for tests and demos, on real sockets. It negotiates, refuses, answers admin
 * requests and hands connections over as the real broker does in its `--serve` mode, and misbehaves on demand.
 * Unlike the real broker it serves its clients at the same time, launches nothing, and survives clients that
 * hang up early: it counts them.
 *
 * Each Hello gets the next behaviour of {@link EmbeddedBroker.script}, else that of `decide`, else {@link
 * EmbeddedBroker.behaviour}. Handing over needs FFI; everything else works without.
 */
export class EmbeddedBroker implements AsyncDisposable {
  /** By name; may be changed at any time. */
  readonly services: Map<string, EmbeddedService>;
  readonly #directory: SocketDirectory;
  readonly #state: BrokerState;
  #listener: Listener | undefined;
  #stopping: Promise<void> | undefined;

  private constructor(settings: SettingsOf<typeof embeddedBrokerOptions>) {
    this.#directory = new SocketDirectory(settings.directory);
    this.#state = new BrokerState(settings, this.#directory.endpoint('broker', settings.endpoint));
    this.services = settings.services;
  }

  /**
   * Starts a broker. Rejects with the system's error, for example if the endpoint is in use.
   *
   * @throws {BrokerPoolError} `INVALID_ARGUMENT` for an option that does not exist
   */
  static async start(options: EmbeddedBrokerOptions = {}): Promise<EmbeddedBroker> {
    const settings = readOptions(embeddedBrokerOptions, options);
    const broker = new EmbeddedBroker(settings);
    const state = broker.#state;
    try {
      broker.#listener = await Listener.open(
        state.endpoint,
        settings.backlog,
        (socket) => {
          state.count('connection');
          void converse(new BrokerSideConnection(socket, () => broker.#onEarlyHangUp()), state);
        },
        () => state.changes.notify(),
      );
    } catch (error) {
      broker.#directory.remove();
      throw error;
    }
    return broker;
  }

  /**
   * The behaviour towards a Hello, unless {@link EmbeddedBroker.script} or `decide` say otherwise. Throws
   * `INVALID_ARGUMENT` for a behaviour that does not exist.
   */
  get behaviour(): BrokerBehaviour {
    return this.#state.behaviour;
  }

  set behaviour(behaviour: BrokerBehaviour) {
    this.#state.behaviour = checkBehaviour('behaviour', behaviour);
  }

  /** How the broker replies to admin requests. */
  get adminBehaviour(): ReplyBehaviour {
    return this.#state.adminBehaviour;
  }

  set adminBehaviour(behaviour: ReplyBehaviour) {
    this.#state.adminBehaviour = checkReplyBehaviour('adminBehaviour', behaviour);
  }

  /** Answers admin requests instead of the built-in replies where it returns something. */
  get answerAdmin(): ((request: AdminRequest) => AdminReply | undefined) | undefined {
    return this.#state.answerAdmin;
  }

  set answerAdmin(answer: ((request: AdminRequest) => AdminReply | undefined) | undefined) {
    this.#state.answerAdmin = answer === undefined ? undefined : checkFunction('answerAdmin', answer);
  }

  /** Where it listens. */
  get endpoint(): string {
    return this.#listener?.endpoint ?? '';
  }

  /** Hellos that could be decoded, so far. */
  get helloCount(): number {
    return this.#state.counts.hello;
  }

  /** Admin requests that could be decoded, so far. */
  get adminCount(): number {
    return this.#state.counts.admin;
  }

  /** Connections accepted so far. */
  get connectionCount(): number {
    return this.#state.counts.connection;
  }

  /** Client connections offered to a backend so far, accepted or not. */
  get handoffCount(): number {
    return this.#state.counts.handoff;
  }

  /**
   * Clients that ended their side before their reply was written. Each of them would have ended a real
   * `--serve` broker.
   */
  get earlyHangUps(): number {
    return this.#state.counts.earlyHangUps;
  }

  /** Connections open now. */
  get openConnections(): number {
    return this.#listener?.openConnections ?? 0;
  }

  /** Sets the behaviour for each of the next Hellos, in the order in which the Hellos arrive. */
  script(...behaviours: readonly BrokerBehaviour[]): void {
    this.#state.script.push(...behaviours.map((behaviour) => checkBehaviour('behaviour', behaviour)));
  }

  /** Answers all clients that wait because of `silent`. */
  releaseSilent(): void {
    this.#state.endSilence();
  }

  /**
   * Settles once the condition holds; it is looked at after every change of a counter. Rejects when the
   * broker stops before.
   *
   * `await broker.until(() => broker.helloCount === 3)`
   */
  until(isMet: () => boolean): Promise<void> {
    return this.#state.changes.until(isMet);
  }

  /** The next Hello to arrive: call it before the Hello is sent. */
  async nextHello(): Promise<ReceivedHello> {
    const before = this.helloCount;
    await this.until(() => this.helloCount > before);
    const { lastHello } = this.#state;
    if (lastHello === undefined) throw new Error('a Hello was counted but not kept');
    return lastHello;
  }

  /** Closes the endpoint and every connection, and removes the files it made. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    this.#state.stop();
    await this.#listener?.close();
    this.#directory.remove();
  }

  /** A client that loses its connection because the broker stops has not hung up. */
  #onEarlyHangUp(): void {
    if (this.#stopping === undefined) this.#state.count('earlyHangUps');
  }
}
