import type { Socket } from 'node:net';
import { systemClock, type Deadline } from '../../clock.js';
import { checkPeer } from '../../os/endpoint-trust.js';
import type { HandlePassing } from '../../os/handle-passing.js';
import { watchReadable } from '../../os/readiness.js';
import { descriptorOf } from '../../os/socket-handle.js';
import { ackFrame } from '../../wire/handoff-frames.js';
import type { HandoffOffer } from '../../wire/messages.js';
import type { BackendSettings } from '../options.js';
import { connectionProblem, offerIn, tokenProblem } from './offer-checks.js';
import { OfferReader, type RawOffer } from './offer-reader.js';

/** A valid offer. The taker owns the descriptor and the broker's connection. */
export interface ReceivedOffer {
  readonly offer: HandoffOffer;
  /** The client's connection. */
  readonly descriptor: number;
  /** Where the answer goes, see {@link answerOffer}. */
  readonly broker: Socket;
}

/** An offer that is being read. */
interface OpenOffer {
  readonly broker: Socket;
  readonly reader: OfferReader;
  readonly deadline: Deadline;
  stopWatching: () => void;
}

/** Trusted users, offers that are read at a time at most, and milliseconds for each. */
type IntakeSettings = Pick<BackendSettings, 'trust' | 'maxOffers' | 'offerTimeoutMs'>;

/**
 * Reads the offers of brokers: a connection and a descriptor for each. A descriptor is closed on every path but
 * the one to `onOffer`.
 */
export class HandoffIntake {
  readonly #passing: HandlePassing;
  readonly #settings: IntakeSettings;
  readonly #closeDescriptor: (descriptor: number) => void;
  readonly #onOffer: (received: ReceivedOffer) => void;
  readonly #open = new Set<OpenOffer>();

  constructor(
    passing: HandlePassing,
    settings: IntakeSettings,
    closeDescriptor: (descriptor: number) => void,
    onOffer: (received: ReceivedOffer) => void,
  ) {
    this.#passing = passing;
    this.#settings = settings;
    this.#closeDescriptor = closeDescriptor;
    this.#onOffer = onOffer;
  }

  /** Takes a broker's connection that was accepted without reading. */
  take(broker: Socket): void {
    const { maxOffers, offerTimeoutMs, trust } = this.#settings;
    broker.on('error', () => {});
    const descriptor = descriptorOf(broker);
    if (this.#open.size >= maxOffers || descriptor < 0 || checkPeer(descriptor, trust) !== undefined)
      return void broker.destroy();
    const reader = new OfferReader(this.#passing, this.#closeDescriptor);
    // H-25, H-33: absolute, so that a trickle does not extend it.
    const deadline = systemClock.deadline(offerTimeoutMs, () => this.#drop(offer));
    const offer: OpenOffer = { broker, reader, deadline, stopWatching: () => {} };
    this.#open.add(offer);
    broker.once('close', () => this.#drop(offer));
    // A broker sends right behind its connect: mostly all is here already.
    if (!this.#read(offer)) offer.stopWatching = watchReadable(broker, () => void this.#read(offer));
  }

  /** Ends every offer that is being read. */
  dropAll(): void {
    for (const offer of this.#open) this.#drop(offer);
  }

  /** Returns whether the offer is over. */
  #read(offer: OpenOffer): boolean {
    const raw = offer.reader.read(descriptorOf(offer.broker));
    if (raw === 'more') return false;
    if (raw === undefined) {
      this.#drop(offer);
    } else {
      this.#finish(offer);
      this.#check(offer.broker, raw);
    }
    return true;
  }

  #finish(offer: OpenOffer): void {
    this.#open.delete(offer);
    offer.deadline.cancel();
    offer.stopWatching();
  }

  #drop(offer: OpenOffer): void {
    if (!this.#open.has(offer)) return;
    this.#finish(offer);
    offer.reader.discard();
    offer.broker.destroy();
  }

  #check(broker: Socket, { body, descriptor, sideband }: RawOffer): void {
    const offer = offerIn(body);
    if (offer === undefined) {
      this.#closeDescriptor(descriptor);
      return void broker.destroy();
    }
    const problem =
      tokenProblem(offer.token, sideband) ?? connectionProblem(descriptor, this.#settings.trust);
    if (problem === undefined) return this.#onOffer({ offer, descriptor, broker });
    // H-24: the client learns of it by the end of its connection, so close before the answer.
    this.#closeDescriptor(descriptor);
    answerOffer(broker, offer, problem);
  }
}

/** Answers an offer and closes the broker's connection. */
export function answerOffer(broker: Socket, { correlationId, token }: HandoffOffer, errorDetail = ''): void {
  // H-30: one offer a connection, which both sides close after the answer.
  const ack = ackFrame({ token, accepted: errorDetail === '', errorDetail, correlationId });
  broker.end(ack, () => broker.destroy());
}
