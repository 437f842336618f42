import type { Socket } from 'node:net';
import type { FrameView } from '../../frames/codec/frame-view.js';
import { FrameWriter } from '../../frames/codec/frame-writer.js';
import { writeTogether } from '../../os/write-together.js';
import { responseTo } from '../../wire/messages.js';

/** Answers of one turn are gathered up to this size. */
const FLUSH_BYTES = 64 * 1024;

/** Gathers the answers of a connection, and writes them together. */
export class Answers {
  readonly #socket: Socket;
  readonly #writer = new FrameWriter();

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Whether so much is gathered that it must not wait for the end of the turn. */
  get shouldFlush(): boolean {
    return this.#writer.bytes >= FLUSH_BYTES;
  }

  /**
   * Adds the answer to a request or a probe: with its id and trace context (S-58, S-73).
   *
   * @throws `FRAME_TOO_LARGE`; nothing is added then
   */
  add(request: FrameView, payload: Uint8Array): void {
    this.#writer.add(responseTo(request, payload));
  }

  /** Writes the gathered answers, in one system call where the kernel takes it. */
  flush(): void {
    if (this.#writer.bytes === 0) return;
    writeTogether(this.#socket, this.#writer.take());
  }
}
