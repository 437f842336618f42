import type { Socket } from 'node:net';
import { wallNowMs } from '../clock.js';
import { loadHandlePassing } from '../os/handle-passing.js';
import { loadNative } from '../os/native.js';
import { peerOf } from '../os/endpoint-trust.js';
import { descriptorOf, holdReading } from '../os/socket-handle.js';
import type { AdminReply, AdminRequest, Frame, Hello, Negotiated } from '../wire/messages.js';
import { answerAdmin } from './admin-replies.js';
import type { BrokerBehaviour, ReplyBehaviour } from './behaviour.js';
import { converse, type ConversationHost } from './broker-conversation.js';
import { ChangeNotifier } from './change-notifier.js';
import { ClientConnection, type SilenceOver } from './client-connection.js';
import { offerConnection, readyEvent } from './handoff-offer.js';
import type { EmbeddedService } from './hello-rules.js';
import { Listener } from './listener.js';
import {
  checkBehaviour,
  checkBrokerOptions,
  checkReplyBehaviour,
  type EmbeddedBrokerOptions,
} from './options.js';
import { SocketDirectory } from './socket-directory.js';

export type { EmbeddedBrokerOptions };

/** A Hello as it arrived. */
export interface ReceivedHello {
  readonly hello: Hello;
  readonly frame: Frame;
}

const ANSWER: ReplyBehaviour = { kind: 'answer' };

type CountName = 'hello' | 'admin' | 'connection' | 'handoff' | 'earlyHangUps';

/**
 * A broker inside the own process, for tests and demos, on real sockets. It negotiates, refuses, answers
 * admin requests and hands connections over as the real one does in its `--serve` mode, and misbehaves where
 * told to. Unlike the real one it serves its clients side by side (V-30), launches nothing, and survives
 * clients that hang up early (V-31): it counts them.
 *
 * What becomes of a Hello: the next of {@link EmbeddedBroker.script}, else what `decide` says, else {@link
 * EmbeddedBroker.behaviour}. Handing over needs FFI; everything else works without.
 */
export class EmbeddedBroker implements AsyncDisposable {
  /** By name; may be changed at any time. */
  readonly services: Map<string, EmbeddedService>;
  /** Answers admin requests instead of the built-in replies where it returns something. */
  answerAdmin: ((request: AdminRequest) => AdminReply | undefined) | undefined;

  #behaviour: BrokerBehaviour = ANSWER;
  #adminBehaviour: ReplyBehaviour = ANSWER;
  readonly #options: EmbeddedBrokerOptions;
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

  private constructor(options: EmbeddedBrokerOptions) {
    this.#options = options;
    this.#directory = new SocketDirectory(options.directory);
    this.services = new Map(Object.entries(options.services ?? {}));
  }

  /**
   * Starts a broker. Rejects with the system's error, for example if the endpoint is in use.
   *
   * @throws {BrokerPoolError} `INVALID_ARGUMENT` for an option that does not exist
   */
  static async start(options: EmbeddedBrokerOptions = {}): Promise<EmbeddedBroker> {
    checkBrokerOptions('options', options);
    const broker = new EmbeddedBroker(options);
    const host = broker.#host();
    try {
      broker.#listener = await Listener.open({
        endpoint: broker.#directory.endpoint('broker', options.endpoint),
        backlog: options.backlog,
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
   * What becomes of every Hello about which nothing else decides. Setting one that does not exist throws
   * `INVALID_ARGUMENT`.
   */
  get behaviour(): BrokerBehaviour {
    return this.#behaviour;
  }

  set behaviour(behaviour: BrokerBehaviour) {
    this.#behaviour = checkBehaviour('behaviour', behaviour);
  }

  /** What becomes of the replies to admin requests. */
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

  /** Client connections sent to a backend so far, whatever the backend made of them. */
  get handoffCount(): number {
    return this.#counts.handoff;
  }

  /**
   * Clients that ended their side before their reply was written. Each would have ended a real
   * `--serve` broker (V-31).
   */
  get earlyHangUps(): number {
    return this.#counts.earlyHangUps;
  }

  /** Connections open now. */
  get openConnections(): number {
    return this.#listener?.openConnections ?? 0;
  }

  /** Puts up behaviours for the next Hellos, one each, in the order in which the Hellos arrive. */
  script(...behaviours: readonly BrokerBehaviour[]): void {
    this.#script.push(...behaviours.map((behaviour) => checkBehaviour('behaviour', behaviour)));
  }

  /** Answers the clients that met `silent` until now. */
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

  /** Closes the endpoint and every connection, and removes what it made in the file system. Idempotent. */
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

  /** Clients that lose their connection because the broker stops have not hung up. */
  #onEarlyHangUp(): void {
    if (this.#stopping === undefined) this.#count('earlyHangUps');
  }

  #host(): ConversationHost {
    return {
      helloTimeoutMs: this.#options.helloTimeoutMs ?? 30_000,
      services: this.services,
      peerProcessId: (client) => processIdBehind(client.socket),
      onHello: (hello, frame) => {
        this.#lastHello = { hello, frame };
        const scripted = this.#script.shift();
        const silenceOver = this.#silence();
        // Before the count as well: a test that sees it may set another behaviour for later requests.
        const behaviour = this.#decide(hello, scripted, this.behaviour);
        this.#count('hello');
        return { behaviour, silenceOver };
      },
      onAdmin: (request) => {
        const silenceOver = this.#silence();
        this.#count('admin');
        return {
          reply: this.answerAdmin?.(request) ?? this.#adminReply(request),
          behaviour: this.adminBehaviour,
          silenceOver,
        };
      },
      handOff: (client, endpoint, serviceName, negotiated) =>
        this.#handOff(client, endpoint, serviceName, negotiated),
    };
  }

  async #decide(
    hello: Hello,
    scripted: BrokerBehaviour | undefined,
    usual: BrokerBehaviour,
  ): Promise<BrokerBehaviour> {
    const decided = scripted ?? (await this.#options.decide?.(hello));
    return decided === undefined ? usual : checkBehaviour('decide', decided);
  }

  /**
   * Call it before a request is counted: a test that saw the count might end the silence before it has begun.
   */
  #silence(): SilenceOver {
    const before = this.#silencesEnded;
    return () => this.until(() => this.#silencesEnded > before);
  }

  #adminReply(request: AdminRequest): AdminReply {
    const backends = [...this.services].flatMap(
      ([serviceName, { endpoint, version, versions = [version ?? '0.0.0'] }]) =>
        versions.map((serviceVersion) => ({ serviceName, serviceVersion, endpoint })),
    );
    return answerAdmin(request, {
      instance: 'embedded',
      endpoint: this.endpoint,
      startedAtUnixMs: this.#startedAtUnixMs,
      backends,
    });
  }

  /**
   * Tells the client that it was taken over even where the backend's word is missing, as the real broker does
   * (H-11).
   */
  async #handOff(
    client: ClientConnection,
    endpoint: string,
    serviceName: string,
    negotiated: Negotiated,
  ): Promise<void> {
    const native = loadNative();
    const passing = loadHandlePassing();
    if (native === undefined || passing === undefined) return;
    const { connectionId: correlationId, handlePassedToken: token } = negotiated;
    const descriptor = descriptorOf(client.socket);
    // From here on what the client sends is the backend's.
    holdReading(client.socket);
    const ackTimeoutMs = this.#options.handoffAckTimeoutMs ?? 5_000;
    const offer = { endpoint, descriptor, token, serviceName, correlationId, ackTimeoutMs };
    const result = await offerConnection(offer, passing, native.system, (socket) => {
      this.#offers.add(socket);
      socket.once('close', () => this.#offers.delete(socket));
      this.#count('handoff');
    });
    if (result === 'accepted' || result === 'unconfirmed')
      await client.write(readyEvent({ token, accepted: true, correlationId }));
  }
}

/** 0 where the kernel does not tell (V-53). */
function processIdBehind(socket: Socket): number {
  const peer = peerOf(descriptorOf(socket));
  return typeof peer === 'object' ? peer.processId : 0;
}
