import { throwLater } from '../../clock.js';
import { BrokerPoolError, printableEndpoint, textOf } from '../../errors.js';
import { warnProcess } from '../../process-warning.js';
import { BackendIdentity } from '../identity/backend-identity.js';
import type { BackendSettings } from '../options.js';
import type { BackendRequest } from './backend-request.js';

/** Counts of a backend since it started. */
export interface BackendCounts {
  /** Connections accepted at the endpoint. */
  accepted: number;
  /** Connections taken over from brokers. */
  adopted: number;
  /** Valid offers of brokers. */
  offers: number;
  /** Identity probes. */
  probes: number;
  /** Calls of `onRequest`. */
  requests: number;
}

/** The service behind all connections of a backend: its functions, its identity, and its counts. */
export class Service {
  readonly settings: BackendSettings;
  readonly counts: BackendCounts = { accepted: 0, adopted: 0, offers: 0, probes: 0, requests: 0 };
  readonly identity: BackendIdentity;
  readonly #endpoint: string;
  readonly #onCount: () => void;

  /** @param onCount is called after each count */
  constructor(settings: BackendSettings, endpoint: string, namespace: string, onCount: () => void) {
    this.settings = settings;
    this.identity = new BackendIdentity(endpoint, namespace, settings.identity);
    this.#endpoint = endpoint;
    this.#onCount = onCount;
  }

  count(name: keyof BackendCounts): void {
    this.counts[name]++;
    this.#onCount();
  }

  /** The encoded identity of this process; `undefined` where it cannot be told. */
  tellIdentity(): Uint8Array | Promise<Uint8Array | undefined> {
    this.count('probes');
    const identity = this.identity.encoded();
    if (identity instanceof Uint8Array) return identity;
    return identity.catch((error: unknown) => {
      const reason = textOf(error);
      this.#report(`a probe has no answer, for the executable cannot be hashed: ${reason}`, error);
      return undefined;
    });
  }

  /** Reports an `onRequest` that failed, or an answer that cannot be sent. */
  reportFailure(error: unknown, { payloadProtocol, requestId }: BackendRequest): void {
    const reason = textOf(error);
    const request = `request ${requestId} of protocol 0x${payloadProtocol.toString(16)}`;
    const advice = 'Let onRequest answer failures in its payloads: the client sees its connection end.';
    this.#report(`${request} has no answer: ${reason}. ${advice}`, error);
  }

  #report(problem: string, cause: unknown): void {
    const { onError } = this.settings;
    const message = `at ${printableEndpoint(this.#endpoint)}, ${problem}`;
    const error = new BrokerPoolError('REQUEST_FAILED', message, { endpoint: this.#endpoint, cause });
    if (onError === undefined) return warnProcess('BROKER_POOL_REQUEST_FAILED', error.message);
    try {
      onError(error);
    } catch (thrown) {
      throwLater(thrown);
    }
  }
}
