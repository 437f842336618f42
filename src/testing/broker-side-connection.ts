import type { Socket } from 'node:net';
import { systemClock } from '../clock.js';
import { FRAMING_VERSION, MAX_FRAME_BYTES, encodeFrame } from '../wire/frame.js';
import { encodeFrameToWire, type Frame } from '../wire/messages.js';
import { waited, type ReplyBehaviour } from './behaviour.js';

/** Settles when the broker answers the clients that wait because of `silent`. */
export type SilenceOver = () => Promise<void>;

/** The connection of a client, on the broker's side. */
export class BrokerSideConnection {
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

  /** Writes, and settles when the kernel has the bytes. False if the connection is closed. */
  async write(bytes: Uint8Array): Promise<boolean> {
    if (this.socket.destroyed) return false;
    const isWritten = await new Promise<boolean>((resolve) => {
      this.socket.write(bytes, (error) => resolve(!error));
    });
    this.#isAnswered = true;
    return isWritten;
  }

  /** Closes at once; from here on a hang-up is no early one. */
  close(): void {
    this.#isAnswered = true;
    this.socket.destroy();
  }

  /** Writes a reply as `behaviour` says. True if a client can read it as a reply: a handoff may follow. */
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
