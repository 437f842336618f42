import type { Queued } from '../../fifo.js';
import type { FrameView } from '../../frames/codec/frame-view.js';

/** A request, as `onRequest` gets it. */
export interface BackendRequest {
  /**
   * The bytes of the request. They never change; they may share memory with other requests of the same
   * connection, so do not write into them, and copy what you keep for long.
   */
  readonly payload: Uint8Array;
  /** One of the `payloadProtocols` that the backend serves. */
  readonly payloadProtocol: number;
  /** Chosen by the client: any number, and not unique. */
  readonly requestId: bigint;
  /** W3C trace context as the client sent it, unchecked; empty if it sent none. */
  readonly traceparent: string;
  /** As `traceparent`. */
  readonly tracestate: string;
  /** Aborts when the client's connection closes before the answer. */
  readonly signal: AbortSignal;
}

/** A request whose answer is owed. */
export class PendingRequest implements BackendRequest, Queued<PendingRequest> {
  readonly frame: FrameView;
  previous: PendingRequest | undefined = undefined;
  next: PendingRequest | undefined = undefined;
  queue: object | undefined = undefined;
  #controller: AbortController | undefined;
  #isAborted = false;

  constructor(frame: FrameView) {
    this.frame = frame;
  }

  get payload(): Uint8Array {
    return this.frame.payload;
  }

  get payloadProtocol(): number {
    return this.frame.payloadProtocol;
  }

  get requestId(): bigint {
    return BigInt(this.frame.requestId);
  }

  get traceparent(): string {
    return this.frame.traceparent;
  }

  get tracestate(): string {
    return this.frame.tracestate;
  }

  /** Made when it is first asked for: most handlers never do. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#isAborted) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  /** The connection has closed. */
  abort(): void {
    this.#isAborted = true;
    this.#controller?.abort();
  }
}
