import type { TestTarget } from '../../src/testing/index.js';
import { GENERIC, OURS as OUR_CODEC } from '../peers/codecs.js';
import { OURS } from '../peers/lenders.js';
import type { ProcessorTimeTask } from '../programs/processor-time.js';

/** The embedded broker and backend of all rows. */
export interface SlipSystem {
  readonly target: TestTarget;
  readonly endpoint: string;
}

/** An operation of ours beside that of a peer. */
export interface SlipRow {
  readonly name: string;
  /** The peer that our time is divided by. */
  readonly against: string;
  /** A ratio above this multiple of the landed one is a slip. */
  readonly bound: number;
  readonly ours: (system: SlipSystem) => ProcessorTimeTask;
  readonly peer: (system: SlipSystem) => ProcessorTimeTask;
}

const PEER = 'lightning-pool';
/** Ratios of the same build lie within a tenth, on a busy machine as well. */
const STEADY = 1.25;
/** The kernel's part of a connect, and what other programs leave of its caches, are noise of a fifth. */
const NOISY = 1.4;

function lend(name: string, callers: number): SlipRow {
  return {
    name,
    against: PEER,
    bound: STEADY,
    ours: ({ target }) => ({ what: 'lend', lender: OURS, callers, target }),
    peer: ({ target }) => ({ what: 'lend', lender: PEER, callers, target }),
  };
}

function code(what: 'decode' | 'encode', bytes: number): SlipRow {
  return {
    name: `${what} ${bytes} B`,
    against: GENERIC,
    bound: STEADY,
    ours: () => ({ what, codec: OUR_CODEC, bytes }),
    peer: () => ({ what, codec: GENERIC, bytes }),
  };
}

/** The rows that CI compares: the shortest operations, whose cost is this package's own. */
export const ROWS: readonly SlipRow[] = [
  lend('acquire and release, one caller', 1),
  lend('acquire and release, 100 callers for 10 connections', 100),
  {
    name: 'Hello-skip',
    against: 'bare net.connect',
    bound: NOISY,
    ours: ({ target, endpoint }) => ({ what: 'connect', who: 'pool', target, endpoint }),
    peer: ({ target, endpoint }) => ({ what: 'connect', who: 'bare', target, endpoint }),
  },
  code('decode', 64),
  code('encode', 64),
];
