import type { Socket } from 'node:net';
import { systemClock } from '../clock.js';
import { FRAMING_VERSION, MAX_FRAME_BYTES, encodeFrame } from '../wire/frame.js';
import { encodeFrameToWire, type Frame } from '../wire/messages.js';
import { waited, type ReplyBehaviour } from './behaviour.js';

/** Settles when clients that met `silent` with this request are answered after all. */
export type SilenceOver = () => Promise<void>;

/** A client as its broker sees it: what may still be written to it, and whether it is still there. */
export class ClientConnection {
  readonly socket: Socket;
  readonly #onEarlyHangUp: () => void;
  readonly #gone = new AbortController();
  #isAnswered = false;

  /** `onEarlyHangUp` is called once if the client ends its side before its reply was written. */
  constructor(socket: Socket, onEarlyHangUp: () => void) {
    this.socket = socket;
    this.#onEarlyHangUp = onEarlyHangUp;
    // Both: a closed Unix socket first looks like one whose peer has ended only its own side.
    socket.once('end', () => this.#onGone());
    socket.once('close', () => this.#onGone());
  }

  /** Aborted when the client has ended, or the broker stops. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  #onGone(): void {
    if (!this.#isAnswered && !this.#gone.signal.aborted) this.#onEarlyHangUp();
    this.#gone.abort();
  }

  /** Writes, and settles when the bytes are the kernel's. False if the client can no longer take them. */
  async write(bytes: Uint8Array): Promise<boolean> {
    if (this.socket.destroyed) return false;
    const isWritten = await new Promise<boolean>((resolve) => {
      this.socket.write(bytes, (error) => resolve(!error));
    });
    this.#isAnswered = true;
    return isWritten;
  }

  /** Closes at once; the client is owed nothing more. */
  close(): void {
    this.#isAnswered = true;
    this.socket.destroy();
  }

  /**
   * Writes a reply in the way a test asked for. True if what went out can pass for a reply, so that the
   * broker may go on to a handoff.
   */
  async reply(frame: Partial<Frame>, behaviour: ReplyBehaviour, silenceOver: SilenceOver): Promise<boolean> {
    const reply = encodeFrameToWire(frame);
    switch (behaviour.kind) {
      case 'answer':
        return this.write(reply);
      case 'silent':
        await waited(silenceOver(), this.gone);
        return !this.gone.aborted && this.write(reply);
      case 'delay':
        await waited(behaviour.wait, this.gone);
        return this.write(reply);
      case 'chunked':
        return this.#writeByteByByte(reply);
      case 'extraBytes':
        return this.write(Buffer.concat([reply, behaviour.bytes]));
      case 'envelope':
        return this.write(encodeFrameToWire({ ...frame, ...behaviour.frame }));
      case 'close':
        return false;
      case 'halfFrame':
        await this.write(reply.subarray(0, behaviour.bytes ?? reply.length >> 1));
        return false;
      case 'garbage':
        await this.write(behaviour.bytes ?? encodeFrame(Buffer.from('this is no protobuf')));
        return false;
      case 'wrongVersionByte':
        reply[0] = FRAMING_VERSION + 1;
        await this.write(reply);
        return false;
      case 'oversizedHeader':
        await this.write(headerOf(MAX_FRAME_BYTES + 1));
        return false;
    }
  }

  async #writeByteByByte(bytes: Uint8Array): Promise<boolean> {
    for (const byte of bytes) {
      if (!(await this.write(Uint8Array.of(byte)))) return false;
      await new Promise<void>((resolve) => {
        systemClock.afterTurn(resolve);
      });
    }
    return true;
  }
}

function headerOf(bodyBytes: number): Uint8Array {
  const header = encodeFrame(new Uint8Array(0));
  new DataView(header.buffer).setUint32(1, bodyBytes, true);
  return header;
}
