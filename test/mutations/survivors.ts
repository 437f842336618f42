/**
 * Mutants that change nothing a caller could notice, with the reason. A run lists them, but neither runs nor
 * counts them.
 */
export interface KnownSurvivor {
  readonly where: string;
  readonly kind: string;
  readonly before: string;
  readonly reason: string;
}

export const KNOWN_SURVIVORS: readonly KnownSurvivor[] = [
  {
    where: 'copyOf',
    kind: 'condition is false',
    before: 'bytes.length === 0',
    reason: 'An empty copy is the same either way; on the heap of V8 it costs less.',
  },
  {
    where: 'FrameDecoder.#shrink',
    kind: '<= becomes <',
    before: 'held * 4 <= this.#buffer.length',
    reason: 'Decides about memory alone, for one length of the rest.',
  },
  {
    where: 'FrameDecoder.#makeRoom',
    kind: '- becomes +',
    before: 'this.#end - this.#start',
    reason: 'Reserves up to twice as much; the bytes are the same.',
  },
];
