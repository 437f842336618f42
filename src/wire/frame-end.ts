import { FRAME_HEADER_BYTES, FRAMING_VERSION, MAX_FRAME_BYTES, type FrameProgress } from './frame.js';

/** The progress of a frame of which nothing has arrived. */
export const NO_PROGRESS: FrameProgress = { header: new Uint8Array(0), bodyBytes: 0 };

/** Finds the end of one frame, from wherever its reader left off, and keeps nothing of its body. */
export class FrameEnd {
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES);
  #headerBytes: number;
  #bodyBytes: number;

  constructor({ header, bodyBytes }: FrameProgress = NO_PROGRESS) {
    this.#header.set(header);
    this.#headerBytes = header.length;
    this.#bodyBytes = bodyBytes;
  }

  /** Counts bytes that arrived. */
  push(chunk: Uint8Array): void {
    const ofHeader = Math.min(FRAME_HEADER_BYTES - this.#headerBytes, chunk.length);
    this.#header.set(chunk.subarray(0, ofHeader), this.#headerBytes);
    this.#headerBytes += ofHeader;
    this.#bodyBytes += chunk.length - ofHeader;
  }

  /**
   * Whether the frame is complete, or is none that could be read (W-06, W-07): nobody can know then where it
   * ends.
   */
  get reached(): boolean {
    if (this.#headerBytes > 0 && this.#header[0] !== FRAMING_VERSION) return true;
    if (this.#headerBytes < FRAME_HEADER_BYTES) return false;
    const declaredBytes = new DataView(this.#header.buffer).getUint32(1, true);
    return declaredBytes > MAX_FRAME_BYTES || this.#bodyBytes >= declaredBytes;
  }
}
