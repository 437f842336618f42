import type { TestTarget } from '../../src/testing/index.js';
import { GENERIC, OURS as OUR_CODEC } from '../peers/codecs.js';
import { BARE_NEGOTIATION } from '../peers/connectors.js';
import { OURS } from '../peers/lenders.js';
import type { HoldTask } from '../programs/hold.js';
import type { AcrossTask } from '../programs/lend-across.js';
import type { ProcessorTimeTask } from '../programs/processor-time.js';

/** The embedded broker and backend of all rows. */
export interface SlipSystem {
  readonly target: TestTarget;
  readonly endpoint: string;
  /** Of the backend's process. */
  readonly pid: number;
}

/** What is measured in a process of its own. */
export type SlipTask =
  | { readonly program: 'processor-time'; readonly task: ProcessorTimeTask }
  | { readonly program: 'lend-across'; readonly task: AcrossTask }
  | { readonly program: 'hold'; readonly task: HoldTask };

/** An operation of ours beside that of a peer. */
export interface SlipRow {
  readonly name: string;
  /** The peer that our time is divided by. */
  readonly against: string;
  /** A ratio above this multiple of the landed one is a slip. */
  readonly bound: number;
  /** @default 'ns' */
  readonly unit?: 'bytes';
  readonly ours: (system: SlipSystem) => SlipTask;
  readonly peer: (system: SlipSystem) => SlipTask;
}

const PEER = 'lightning-pool';
/** Ratios of the same build lie within a tenth, on a busy machine as well. */
const STEADY = 1.25;
/** Three threads take part in a negotiation, and switches between programs count: 1.4 times as much at load 38. */
const SHARED = 1.5;
/** How often a caller meets the other thread at work is chance: 0.65 to 1.68 of the landed ratio on a quiet machine. */
const CHANCE = 2;
const HELD_CONNECTIONS = 2_000;
/** Connects within a turn, before the backend accepts any: the rows' backlog is as large. */
export const BACKLOG = 2_000;

function timed(task: ProcessorTimeTask): SlipTask {
  return { program: 'processor-time', task };
}

function lend(name: string, callers: number): SlipRow {
  return {
    name,
    against: PEER,
    bound: STEADY,
    ours: ({ target }) => timed({ what: 'lend', lender: OURS, callers, target }),
    peer: ({ target }) => timed({ what: 'lend', lender: PEER, callers, target }),
  };
}

function connects(name: string, against: string, negotiated: boolean): SlipRow {
  const by =
    (who: 'pool' | 'bare') =>
    ({ target, endpoint, pid }: SlipSystem): SlipTask =>
      timed({ what: 'connect', who, negotiated, target, endpoint, pid });
  return { name, against, bound: negotiated ? SHARED : STEADY, ours: by('pool'), peer: by('bare') };
}

function code(what: 'decode' | 'encode', bytes: number): SlipRow {
  return {
    name: `${what} ${bytes} B`,
    against: GENERIC,
    bound: STEADY,
    ours: () => timed({ what, codec: OUR_CODEC, bytes }),
    peer: () => timed({ what, codec: GENERIC, bytes }),
  };
}

function across(way: AcrossTask['way'], callers: number) {
  return ({ target }: SlipSystem): SlipTask => ({
    program: 'lend-across',
    task: { way, situations: [{ callers, echoes: false }], target, unit: 'processor time' },
  });
}

function hold(who: HoldTask['who']) {
  return ({ target, endpoint: backendEndpoint }: SlipSystem): SlipTask => ({
    program: 'hold',
    task: { who, target, backendEndpoint, connections: HELD_CONNECTIONS, parksThread: false },
  });
}

/** The rows that CI compares: the shortest operations, whose cost is this package's own. */
export const ROWS: readonly SlipRow[] = [
  lend('acquire and release, one caller', 1),
  lend('acquire and release, 100 callers for 10 connections', 100),
  {
    name: 'acquire and release in another thread, 8 callers',
    against: 'a message there and back',
    bound: CHANCE,
    ours: across('across', 8),
    peer: across('message', 8),
  },
  connects('Hello-skip', 'bare net.connect', false),
  connects('negotiated', BARE_NEGOTIATION, true),
  {
    name: 'memory of an idle connection',
    against: 'bare net.Socket',
    bound: STEADY,
    unit: 'bytes',
    ours: hold('pool'),
    peer: hold('bare'),
  },
  code('decode', 64),
  code('encode', 64),
];
