/** The property that every hostile stream must have: the exchange makes of it what the oracle does. */
import { deepStrictEqual } from 'node:assert/strict';
import * as fc from 'fast-check';
import type { Exchange, ExchangeStep } from '../../src/negotiation/exchange/exchange.js';
import { cut } from '../helpers/pieces.js';
import { adminExchange, adopting, handshake, play } from '../negotiation/exchange/exchange-kit.js';
import { judge, type Mode, type Verdict } from './oracle.js';
import { anyHostileStream, type HostileStream } from './streams.js';

const STARTS: Readonly<Record<Mode, () => Exchange>> = {
  reconnecting: handshake,
  adopting,
  admin: adminExchange,
};

/** The verdict of the exchange on a stream that ends. Throws for a step that contradicts itself. */
export function outcomeOf({ mode, stream, places }: HostileStream): Verdict {
  const exchange = STARTS[mode]();
  const { step, unread } = play(exchange, ...cut(stream, places));
  const last = step.kind === 'wait' ? exchange.end() : step;
  return verdictOf(last, stream, Buffer.concat(unread));
}

function verdictOf(step: ExchangeStep, stream: Uint8Array, unread: Uint8Array): Verdict {
  switch (step.kind) {
    case 'wait':
      throw new Error('the end of a connection must end its exchange');
    case 'adopt': {
      const behind = Buffer.concat([step.residue, unread]);
      // Not a byte lost, none twice: it is what the backend said (C-47).
      deepStrictEqual(behind, Buffer.from(stream.subarray(stream.length - behind.length)));
      return { kind: 'adopt', pipe: step.endpoint, residueBytes: behind.length };
    }
    case 'reconnect':
      return { kind: 'reconnect', pipe: step.endpoint };
    case 'answer':
      return { kind: 'answer', exitCode: step.reply.exitCode, body: step.reply.body };
    case 'failed': {
      if (step.replyPending) throw new Error('no reply is pending after the end of the broker');
      const { code, refusalCode, retryAfterMs } = step.failure;
      return {
        kind: 'failed',
        code,
        ...(refusalCode !== undefined && { refusalCode }),
        ...(retryAfterMs !== undefined && { retryAfterMs }),
      };
    }
  }
}

/** The counts of one run. */
export interface FuzzTally {
  frames: number;
  /** Streams by how they ended. */
  readonly endings: Map<string, number>;
}

/**
 * Checks as many streams as have at least `frames` frames. Throws with the seed and the smallest stream
 * that fails.
 */
export function fuzzExchanges(
  frames: number,
  seed: number,
  tally: FuzzTally = { frames: 0, endings: new Map() },
): FuzzTally {
  fc.assert(
    fc.property(anyHostileStream, (hostile) => {
      const verdict = outcomeOf(hostile);
      deepStrictEqual(verdict, judge(hostile.mode, hostile.stream));
      tally.frames += hostile.frames;
      const ending = verdict.kind === 'failed' ? verdict.code : verdict.kind;
      tally.endings.set(ending, (tally.endings.get(ending) ?? 0) + 1);
    }),
    // Streams have 1.8 frames in the mean. `frames` in the tally says how many they were.
    { numRuns: Math.ceil(frames * 0.6), seed },
  );
  return tally;
}
