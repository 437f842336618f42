import { wouldBlock } from '../../os/errno.js';
import type { HandlePassing } from '../../os/handle-passing.js';
import { FrameDecoder, MAX_HELLO_BYTES } from '../../wire/frame.js';
import { HANDOFF_TOKEN_BYTES } from '../../wire/messages.js';

/** A complete offer as it arrived, unchecked. */
export interface RawOffer {
  /** The client's connection; the taker closes or serves it. */
  readonly descriptor: number;
  /** The token that came with the descriptor. */
  readonly sideband: Uint8Array;
  /** The body of the frame behind it. */
  readonly body: Uint8Array;
}

const CHUNK_BYTES = 4 * 1024;

/**
 * Reads an offer with system calls of its own: 16 token bytes with one descriptor beside them, then a frame
 * (H-20). It owns the descriptor until {@link OfferReader.read} has returned the offer.
 */
export class OfferReader {
  readonly #passing: HandlePassing;
  readonly #close: (descriptor: number) => void;
  readonly #sideband = new Uint8Array(new ArrayBuffer(HANDOFF_TOKEN_BYTES));
  readonly #frame = new FrameDecoder(MAX_HELLO_BYTES);
  #filled = 0;
  #descriptor = -1;

  constructor(passing: HandlePassing, close: (descriptor: number) => void) {
    this.#passing = passing;
    this.#close = close;
  }

  /**
   * Reads what the kernel holds for `socket`: the offer once it is complete, `'more'` while it is not, and
   * `undefined` where no valid offer can come any more.
   */
  read(socket: number): RawOffer | 'more' | undefined {
    for (;;) {
      const isSideband = this.#filled < HANDOFF_TOKEN_BYTES;
      // Never past the token: the descriptor belongs to its bytes (H-05).
      const into = isSideband ? this.#sideband.subarray(this.#filled) : new Uint8Array(CHUNK_BYTES);
      const { bytes, descriptor } = this.#passing.receiveHandle(socket, into);
      if (descriptor >= 0 && !this.#keep(descriptor, isSideband)) return undefined;
      if (bytes <= 0) return wouldBlock(bytes) ? 'more' : undefined;
      if (isSideband) {
        this.#filled += bytes;
        if (this.#filled === HANDOFF_TOKEN_BYTES && this.#descriptor < 0) return undefined;
      } else {
        const body = this.#readFrame(into.subarray(0, bytes));
        if (body !== 'more') return body && this.#take(body);
      }
    }
  }

  /** Closes the descriptor of an offer that was not taken. Idempotent. */
  discard(): void {
    if (this.#descriptor >= 0) this.#close(this.#descriptor);
    this.#descriptor = -1;
    this.#frame.wipe();
  }

  /** An offer has one descriptor, beside its token. Returns false for any other, which is closed. */
  #keep(descriptor: number, isSideband: boolean): boolean {
    if (isSideband && this.#descriptor < 0) {
      this.#descriptor = descriptor;
      return true;
    }
    this.#close(descriptor);
    return false;
  }

  #readFrame(chunk: Uint8Array): Uint8Array | 'more' | undefined {
    try {
      this.#frame.push(chunk);
      return this.#frame.read() ?? 'more';
    } catch {
      return undefined;
    }
  }

  #take(body: Uint8Array): RawOffer {
    const descriptor = this.#descriptor;
    this.#descriptor = -1;
    return { descriptor, sideband: this.#sideband, body };
  }
}
