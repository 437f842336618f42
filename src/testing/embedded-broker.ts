import type { Socket } from 'node:net';
import { wallNowMs } from '../clock.js';
import { readOptions, type SettingsOf } from '../option-table.js';
import type { AdminReply, AdminRequest, Frame, Hello } from '../wire/messages.js';
import { answerAdmin, type AdminState } from './admin-replies.js';
import type { BrokerBehaviour, ReplyBehaviour } from './behaviour.js';
import { converse, type ConversationHost } from './broker-conversation.js';
import { ChangeNotifier } from './change-notifier.js';
import { ClientConnection, type SilenceOver } from './client-connection.js';
import type { EmbeddedService } from './hello-rules.js';
import { Listener } from './listener.js';
import {
  checkBehaviour,
  checkReplyBehaviour,
  embeddedBrokerOptions,
  type EmbeddedBrokerOptions,
} from './options.js';
import { SocketDirectory } from './socket-directory.js';

/** A Hello as it arrived. */
export interface ReceivedHello {
  readonly hello: Hello;
  readonly frame: Frame;
}

const ANSWER: ReplyBehaviour = { kind: 'answer' };

type CountName = 'hello' | 'admin' | 'connection' | 'handoff' | 'earlyHangUps';

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
  /** Answers admin requests instead of the built-in replies where it returns something. */
  answerAdmin: ((request: AdminRequest) => AdminReply | undefined) | undefined;

  #behaviour: BrokerBehaviour = ANSWER;
  #adminBehaviour: ReplyBehaviour = ANSWER;
  readonly #settings: SettingsOf<typeof embeddedBrokerOptions>;
  readonly #directory: SocketDirectory;
  readonly #startedAtUnixMs = wallNowMs();
  readonly #changes = new ChangeNotifier();
  readonly #script: BrokerBehaviour[] = [];
  readonly #offers = new Set<Socket>();
  readonly #counts: Record<CountName, number> = {
    hello: 0,
    admin: 0,
    connection: 0,
    handoff: 0,
    earlyHangUps: 0,
  };
  #listener: Listener | undefined;
  #lastHello: ReceivedHello | undefined;
  #silencesEnded = 0;
  #stopping: Promise<void> | undefined;

  private constructor(settings: SettingsOf<typeof embeddedBrokerOptions>) {
    this.#settings = settings;
    this.#directory = new SocketDirectory(settings.directory);
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
    const host = broker.#host();
    try {
      broker.#listener = await Listener.open({
        endpoint: broker.#directory.endpoint('broker', settings.endpoint),
        backlog: settings.backlog,
        onConnection: (socket) => {
          broker.#count('connection');
          void converse(new ClientConnection(socket, () => broker.#onEarlyHangUp()), host);
        },
        onClose: () => broker.#changes.notify(),
      });
    } catch (error) {
      broker.#directory.remove();
      throw error;
    }
    return broker;
  }

  /**
   * What the broker does with a Hello unless {@link EmbeddedBroker.script} or `decide` say otherwise. Throws
   * `INVALID_ARGUMENT` for a behaviour that does not exist.
   */
  get behaviour(): BrokerBehaviour {
    return this.#behaviour;
  }

  set behaviour(behaviour: BrokerBehaviour) {
    this.#behaviour = checkBehaviour('behaviour', behaviour);
  }

  /** How the broker replies to admin requests. */
  get adminBehaviour(): ReplyBehaviour {
    return this.#adminBehaviour;
  }

  set adminBehaviour(behaviour: ReplyBehaviour) {
    this.#adminBehaviour = checkReplyBehaviour('adminBehaviour', behaviour);
  }

  /** Where it listens. */
  get endpoint(): string {
    return this.#listener?.endpoint ?? '';
  }

  /** Hellos that could be decoded, so far. */
  get helloCount(): number {
    return this.#counts.hello;
  }

  /** Admin requests that could be decoded, so far. */
  get adminCount(): number {
    return this.#counts.admin;
  }

  /** Connections accepted so far. */
  get connectionCount(): number {
    return this.#counts.connection;
  }

  /** Client connections offered to a backend so far, accepted or not. */
  get handoffCount(): number {
    return this.#counts.handoff;
  }

  /**
   * Clients that ended their side before their reply was written. Each of them would have ended a real
   * `--serve` broker.
   */
  get earlyHangUps(): number {
    return this.#counts.earlyHangUps;
  }

  /** Connections open now. */
  get openConnections(): number {
    return this.#listener?.openConnections ?? 0;
  }

  /** Sets the behaviour for each of the next Hellos, in the order in which the Hellos arrive. */
  script(...behaviours: readonly BrokerBehaviour[]): void {
    this.#script.push(...behaviours.map((behaviour) => checkBehaviour('behaviour', behaviour)));
  }

  /** Answers all clients that wait because of `silent`. */
  releaseSilent(): void {
    this.#silencesEnded++;
    this.#changes.notify();
  }

  /**
   * Settles once the condition holds; it is looked at after every change of a counter. Rejects when the
   * broker stops before.
   *
   * `await broker.until(() => broker.helloCount === 3)`
   */
  until(isMet: () => boolean): Promise<void> {
    return this.#changes.until(isMet);
  }

  /** The next Hello to arrive: call it before the Hello is sent. */
  async nextHello(): Promise<ReceivedHello> {
    const before = this.helloCount;
    await this.until(() => this.helloCount > before);
    if (this.#lastHello === undefined) throw new Error('a Hello was counted but not kept');
    return this.#lastHello;
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
    this.#changes.end(new Error('the embedded broker was stopped'));
    for (const socket of this.#offers) socket.destroy();
    await this.#listener?.close();
    this.#directory.remove();
  }

  #count(name: CountName): void {
    this.#counts[name]++;
    this.#changes.notify();
  }

  /** A client that loses its connection because the broker stops has not hung up. */
  #onEarlyHangUp(): void {
    if (this.#stopping === undefined) this.#count('earlyHangUps');
  }

  #host(): ConversationHost {
    return {
      helloTimeoutMs: this.#settings.helloTimeoutMs,
      services: this.services,
      onHello: (hello, frame) => {
        this.#lastHello = { hello, frame };
        const scripted = this.#script.shift();
        const silenceOver = this.#silence();
        // Before the count: a test that sees the count may set another behaviour for later requests.
        const behaviour = this.#decide(hello, scripted, this.behaviour);
        this.#count('hello');
        return { behaviour, silenceOver };
      },
      onAdmin: (request) => {
        const silenceOver = this.#silence();
        this.#count('admin');
        return {
          reply: this.answerAdmin?.(request) ?? answerAdmin(request, this.#adminState()),
          behaviour: this.adminBehaviour,
          silenceOver,
        };
      },
      handoffAckTimeoutMs: this.#settings.handoffAckTimeoutMs,
      onHandoff: (offer) => {
        this.#offers.add(offer);
        offer.once('close', () => this.#offers.delete(offer));
        this.#count('handoff');
      },
    };
  }

  async #decide(
    hello: Hello,
    scripted: BrokerBehaviour | undefined,
    usual: BrokerBehaviour,
  ): Promise<BrokerBehaviour> {
    const decided = scripted ?? (await this.#settings.decide?.(hello));
    return decided === undefined ? usual : checkBehaviour('decide', decided);
  }

  /** Call it before a request is counted: a test that sees the count may end the silence at once. */
  #silence(): SilenceOver {
    const before = this.#silencesEnded;
    return () => this.until(() => this.#silencesEnded > before);
  }

  #adminState(): AdminState {
    const { endpoint, services } = this;
    return { instance: 'embedded', endpoint, startedAtUnixMs: this.#startedAtUnixMs, services };
  }
}
