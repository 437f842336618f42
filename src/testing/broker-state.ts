import type { Socket } from 'node:net';
import { wallNowMs } from '../clock.js';
import type { SettingsOf } from '../option-table.js';
import type { AdminReply, AdminRequest, Frame, Hello } from '../wire/messages.js';
import { answerAdmin } from './admin-replies.js';
import type { BrokerBehaviour, ReceivedHello, ReplyBehaviour } from './behaviour.js';
import { ChangeNotifier } from './change-notifier.js';
import type { SilenceOver } from './broker-side-connection.js';
import { checkBehaviour } from './check-behaviour.js';
import type { embeddedBrokerOptions } from './options.js';

type CountName = 'hello' | 'admin' | 'connection' | 'handoff' | 'earlyHangUps';

const ANSWER: ReplyBehaviour = { kind: 'answer' };

/** The requests and the behaviour of an embedded broker: its conversations read and change them. */
export class BrokerState {
  readonly settings: SettingsOf<typeof embeddedBrokerOptions>;
  readonly endpoint: string;
  readonly changes = new ChangeNotifier();
  readonly counts: Record<CountName, number> = {
    hello: 0,
    admin: 0,
    connection: 0,
    handoff: 0,
    earlyHangUps: 0,
  };
  /** Behaviours for the next Hellos. */
  readonly script: BrokerBehaviour[] = [];
  behaviour: BrokerBehaviour = ANSWER;
  adminBehaviour: ReplyBehaviour = ANSWER;
  lastHello: ReceivedHello | undefined;
  /** Answers admin requests instead of the built-in replies where it returns something. */
  answerAdmin: ((request: AdminRequest) => AdminReply | undefined) | undefined;
  readonly #startedAtUnixMs = wallNowMs();
  readonly #offers = new Set<Socket>();
  #silencesEnded = 0;

  constructor(settings: SettingsOf<typeof embeddedBrokerOptions>, endpoint: string) {
    this.settings = settings;
    this.endpoint = endpoint;
  }

  count(name: CountName): void {
    this.counts[name]++;
    this.changes.notify();
  }

  addHello(
    hello: Hello,
    frame: Frame,
  ): { readonly behaviour: Promise<BrokerBehaviour>; readonly silenceOver: SilenceOver } {
    this.lastHello = { hello, frame };
    const silenceOver = this.#silence();
    // Before the count: a test that sees the count may set another behaviour for later requests.
    const behaviour = this.#decide(hello, this.script.shift(), this.behaviour);
    this.count('hello');
    return { behaviour, silenceOver };
  }

  addAdmin(request: AdminRequest): {
    readonly reply: AdminReply;
    readonly behaviour: ReplyBehaviour;
    readonly silenceOver: SilenceOver;
  } {
    const silenceOver = this.#silence();
    this.count('admin');
    const instance = {
      instance: 'embedded',
      endpoint: this.endpoint,
      startedAtUnixMs: this.#startedAtUnixMs,
      services: this.settings.services,
    };
    const reply = this.answerAdmin?.(request) ?? answerAdmin(request, instance);
    return { reply, behaviour: this.adminBehaviour, silenceOver };
  }

  /** A client's connection is on its way to a backend over the connection `offer`. */
  addHandoff(offer: Socket): void {
    this.#offers.add(offer);
    offer.once('close', () => this.#offers.delete(offer));
    this.count('handoff');
  }

  /** Answers all clients that wait because of `silent`. */
  endSilence(): void {
    this.#silencesEnded++;
    this.changes.notify();
  }

  /** Rejects the tests that wait, and closes the connections to backends. */
  stop(): void {
    this.changes.end(new Error('the embedded broker was stopped'));
    for (const offer of this.#offers) offer.destroy();
  }

  async #decide(
    hello: Hello,
    scripted: BrokerBehaviour | undefined,
    usual: BrokerBehaviour,
  ): Promise<BrokerBehaviour> {
    const decided = scripted ?? (await this.settings.decide?.(hello));
    return decided === undefined ? usual : checkBehaviour('decide', decided);
  }

  /** Called before a request is counted: a test that sees the count may end the silence at once. */
  #silence(): SilenceOver {
    const before = this.#silencesEnded;
    return () => this.changes.until(() => this.#silencesEnded > before);
  }
}
