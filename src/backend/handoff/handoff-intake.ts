import type { Socket } from 'node:net';
import { systemClock, type Deadline } from '../../clock.js';
import { checkPeer, type EndpointTrust } from '../../os/endpoint-trust.js';
import type { HandlePassing } from '../../os/handle-passing.js';
import { watchReadable } from '../../os/readiness.js';
import { descriptorOf } from '../../os/socket-handle.js';
import { ackFrame } from '../../wire/handoff-frames.js';
import type { HandoffOffer } from '../../wire/messages.js';
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

/** Options of {@link HandoffIntake}. */
export interface HandoffIntakeOptions {
  readonly passing: HandlePassing;
  readonly closeDescriptor: (descriptor: number) => void;
  /** The users whose brokers may offer, and whose connections are taken. */
  readonly trust: EndpointTrust;
  /** Offers that may be under way at a time; further ones are closed unread. */
  readonly maxOffers: number;
  /** Milliseconds from accept to the end of the offer. */
  readonly offerTimeoutMs: number;
  readonly onOffer: (received: ReceivedOffer) => void;
}

/** An offer that is being read. */
interface OpenOffer {
  readonly broker: Socket;
  readonly reader: OfferReader;
  readonly deadline: Deadline;
  stopWatching: () => void;
}

/**
 * Reads the offers of brokers: a connection and a descriptor for each. A descriptor is closed on every path but
 * the one to `onOffer`.
 */
export class HandoffIntake {
  readonly #options: HandoffIntakeOptions;
  readonly #open = new Set<OpenOffer>();

  constructor(options: HandoffIntakeOptions) {
    this.#options = options;
  }

  /** Takes a broker's connection that was accepted without reading. */
  take(broker: Socket): void {
    const { closeDescriptor, maxOffers, offerTimeoutMs, passing, trust } = this.#options;
    broker.on('error', () => {});
    const descriptor = descriptorOf(broker);
    if (this.#open.size >= maxOffers || descriptor < 0 || checkPeer(descriptor, trust) !== undefined)
      return void broker.destroy();
    const reader = new OfferReader(passing, closeDescriptor);
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
    const { closeDescriptor, onOffer, trust } = this.#options;
    const offer = offerIn(body);
    if (offer === undefined) {
      closeDescriptor(descriptor);
      return void broker.destroy();
    }
    const problem = tokenProblem(offer.token, sideband) ?? connectionProblem(descriptor, trust);
    if (problem === undefined) return onOffer({ offer, descriptor, broker });
    // H-24: the client learns of it by the end of its connection, so close before the answer.
    closeDescriptor(descriptor);
    answerOffer(broker, offer, problem);
  }
}

/** Answers an offer and closes the broker's connection. */
export function answerOffer(broker: Socket, { correlationId, token }: HandoffOffer, errorDetail = ''): void {
  // H-30: one offer a connection, which both sides close after the answer.
  const ack = ackFrame({ token, accepted: errorDetail === '', errorDetail, correlationId });
  broker.end(ack, () => broker.destroy());
}
