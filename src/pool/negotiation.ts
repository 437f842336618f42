import type { NegotiatedInfo } from '../negotiation/job.js';

/**
 * What the broker said of a connection that was negotiated. The token is a private member: a console that
 * prints a lease does not show it.
 */
export class Negotiation {
  readonly negotiated: NegotiatedInfo;
  readonly #handoffToken: Uint8Array | undefined;

  constructor(negotiated: NegotiatedInfo, handoffToken: Uint8Array | undefined) {
    this.negotiated = negotiated;
    this.#handoffToken = handoffToken;
  }

  /** Overwritten when the connection closes. Not an accessor, which a console may evaluate. */
  handoffToken(): Uint8Array | undefined {
    return this.#handoffToken;
  }

  /** Nothing needs the token any more. */
  wipeToken(): void {
    this.#handoffToken?.fill(0);
  }
}
