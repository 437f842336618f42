import { randomBytes } from 'node:crypto';
import { Socket } from 'node:net';
import { readOptions, type SettingsOf } from '../option-table.js';
import { checkName } from '../validation.js';
import { loadHandlePassing, type HandlePassing } from '../os/handle-passing.js';
import { loadNative, type SystemCalls } from '../os/native.js';
import { HANDOFF_TOKEN_BYTES } from '../wire/messages.js';
import { ChangeNotifier } from './change-notifier.js';
import { receiveOffer, type ReceivedOffer } from './handoff-acceptance.js';
import { ackFrame } from './handoff-offer.js';
import { answerProbes, ownIdentity } from './identity-probe.js';
import { Listener } from './listener.js';
import {
  embeddedBackendOptions,
  HANDOFF_MODES,
  withoutUndefined,
  type EmbeddedBackendOptions,
  type HandoffMode,
} from './options.js';
import { SocketDirectory } from './socket-directory.js';

/** Whether connections can be handed over between processes here: on Linux and macOS, with FFI. */
export function canHandOff(): boolean {
  return loadHandlePassing() !== undefined;
}

type CountName = 'accepted' | 'adopted' | 'offer' | 'probe';

/** A backend in this process, for tests and demos, on real sockets. Echoes by default. */
export class EmbeddedBackend implements AsyncDisposable {
  #handoff: HandoffMode;
  readonly #settings: SettingsOf<typeof embeddedBackendOptions>;
  readonly #directory: SocketDirectory;
  readonly #changes = new ChangeNotifier();
  readonly #counts: Record<CountName, number> = { accepted: 0, adopted: 0, offer: 0, probe: 0 };
  /** Offered connections that stay open without an answer. */
  readonly #silentDescriptors = new Set<number>();
  #serving: Listener | undefined;
  #offers: Listener | undefined;
  #stopping: Promise<void> | undefined;

  private constructor(settings: SettingsOf<typeof embeddedBackendOptions>) {
    this.#settings = settings;
    const { directory, handoff } = settings;
    this.#directory = new SocketDirectory(directory);
    this.#handoff = handoff === 'none' ? 'reject' : handoff;
  }

  /**
   * Starts a backend. Rejects with the system's error, for example if an endpoint is in use.
   *
   * @throws {BrokerPoolError} `INVALID_ARGUMENT` for an option that does not exist
   */
  static async start(options: EmbeddedBackendOptions = {}): Promise<EmbeddedBackend> {
    const backend = new EmbeddedBackend(readOptions(embeddedBackendOptions, options));
    try {
      await backend.#open();
    } catch (error) {
      await backend.stop();
      throw error;
    }
    return backend;
  }

  async #open(): Promise<void> {
    const { backlog, endpoint, handoff, handoffEndpoint } = this.#settings;
    const onClose = (): void => this.#changes.notify();
    this.#serving = await Listener.open({
      endpoint: this.#directory.endpoint('backend', endpoint),
      backlog,
      onConnection: (socket) => {
        this.#count('accepted');
        this.#serve(socket, false);
      },
      onClose,
    });
    if (handoff === 'none') return;
    const passing = loadHandlePassing();
    const system = loadNative()?.system;
    if (passing === undefined || system === undefined)
      throw new Error('handoff needs FFI, which is not available here');
    this.#offers = await Listener.open({
      endpoint: this.#directory.endpoint('handoff', handoffEndpoint),
      backlog,
      paused: true,
      onConnection: (socket) => void this.#onOffer(socket, passing, system),
      onClose,
    });
  }

  /** The mode for offers from now on; without effect where there is no handoff endpoint. */
  get handoff(): HandoffMode {
    return this.#handoff;
  }

  set handoff(mode: HandoffMode) {
    this.#handoff = checkName('handoff', mode, HANDOFF_MODES);
  }

  /** Where it serves: the `backendPipe` that a broker must name. */
  get endpoint(): string {
    return this.#serving?.endpoint ?? '';
  }

  /** Where it takes over connections, if it does. */
  get handoffEndpoint(): string | undefined {
    return this.#offers?.endpoint;
  }

  /** Connections being served now, accepted and adopted. */
  get connections(): number {
    return this.#serving?.openConnections ?? 0;
  }

  /** Connections accepted at {@link EmbeddedBackend.endpoint} so far. */
  get acceptedCount(): number {
    return this.#counts.accepted;
  }

  /** Connections taken over from a broker so far. */
  get adoptedCount(): number {
    return this.#counts.adopted;
  }

  /** Valid offers received so far, in every mode. */
  get offerCount(): number {
    return this.#counts.offer;
  }

  /** Identity probes answered so far. */
  get probeCount(): number {
    return this.#counts.probe;
  }

  /**
   * Settles once the condition holds; it is looked at after every change of a counter. Rejects when the
   * backend stops before.
   */
  until(isMet: () => boolean): Promise<void> {
    return this.#changes.until(isMet);
  }

  /** Closes every connection at once, as a backend that dies does; goes on accepting new ones. */
  dropAll(): void {
    this.#serving?.dropAll();
    this.#closeSilent();
  }

  /** Closes its endpoints and every connection, and removes the files it made. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    this.#changes.end(new Error('the embedded backend was stopped'));
    this.#closeSilent();
    await Promise.all([this.#serving?.close(), this.#offers?.close()]);
    this.#directory.remove();
  }

  #closeSilent(): void {
    for (const descriptor of this.#silentDescriptors) loadNative()?.system.close(descriptor);
    this.#silentDescriptors.clear();
  }

  #count(name: CountName): void {
    this.#counts[name]++;
    this.#changes.notify();
  }

  #serve(socket: Socket, adopted: boolean): void {
    const { identity, onConnection } = this.#settings;
    if (onConnection !== undefined) return onConnection(socket, { adopted });
    const whole = { ...ownIdentity(this.endpoint), ...withoutUndefined(identity ?? {}) };
    answerProbes(
      socket,
      whole,
      () => this.#count('probe'),
      () => void socket.pipe(socket),
    );
  }

  async #onOffer(socket: Socket, passing: HandlePassing, system: SystemCalls): Promise<void> {
    const received = await receiveOffer(socket, passing, system, this.#settings.offerTimeoutMs);
    if (received === undefined) return void socket.destroy();
    if (this.#stopping === undefined) this.#answerOffer(socket, received, system);
    else system.close(received.descriptor);
  }

  #answerOffer(
    socket: Socket,
    { descriptor, offer: { correlationId, token } }: ReceivedOffer,
    system: SystemCalls,
  ): void {
    const answer = (answeredToken: Uint8Array, errorDetail = ''): void => {
      const accepted = errorDetail === '';
      socket.end(ackFrame({ token: answeredToken, accepted, errorDetail, correlationId }));
    };
    switch (this.#handoff) {
      case 'accept':
        this.#adopt(descriptor);
        answer(token);
        break;
      case 'reject':
        system.close(descriptor);
        answer(token, 'rejected by the test');
        break;
      case 'wrongToken':
        system.close(descriptor);
        answer(randomBytes(HANDOFF_TOKEN_BYTES));
        break;
      case 'close':
        system.close(descriptor);
        socket.destroy();
        break;
      case 'silent':
        this.#silentDescriptors.add(descriptor);
        break;
    }
    this.#count('offer');
  }

  #adopt(descriptor: number): void {
    const socket = new Socket({ fd: descriptor, allowHalfOpen: true });
    this.#serving?.adopt(socket);
    this.#count('adopted');
    this.#serve(socket, true);
  }
}
