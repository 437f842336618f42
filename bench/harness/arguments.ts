import { parseArgs } from 'node:util';

/** The parsed arguments of the program. */
export interface BenchArguments {
  /** Parts of case names; none means all. */
  readonly filters: readonly string[];
  /** With the real broker and the Rust client. */
  readonly real: boolean;
  readonly rounds: number;
  readonly list: boolean;
  /** JSON instead of tables on standard output. */
  readonly json: boolean;
  /** A file of an older run. */
  readonly compare: string | undefined;
  /** A row that is so many times slower than in the older run is a failure. */
  readonly bound: number;
  /** A checkout with another build. */
  readonly against: string | undefined;
  /** The program of another Node to measure beside this one. */
  readonly node: string | undefined;
  /** Refuse to measure, and to keep figures, while other programs use the machine. */
  readonly quietCheck: boolean;
  /** A folder for pictures. */
  readonly pictures: string | undefined;
  /** A Markdown file for the table of targets. */
  readonly table: string | undefined;
  readonly help: boolean;
}

const DEFAULT_ROUNDS = 7;

export const USAGE = `npm run bench -- [part of a case's name …] [options]        bench:real adds the real broker and the Rust client

  --list              the cases and their questions
  --rounds <n>        how often each contender gets its turn (default ${DEFAULT_ROUNDS})
  --json              JSON on standard output instead of tables
  --compare <file>    what got slower and what faster since that run (a file of bench/results or from --json)
  --bound <factor>    with --compare: exit code 1 where a row got slower by more than that
  --against <folder>  this build and that of another checkout by turns, nothing else; words choose rows, --rounds 15 tells 3 % apart
  --node <program>    also how fast the package is on that Node, as the case other-node
  --quiet-check       measures, keeps figures and draws only while nothing else uses the machine
  --pictures <folder> draws SVG pictures there
  --table <file>      writes the targets, and what was reached, between the marks of a Markdown file`;

const MOST_ROUNDS = 1_000;

/** Throws with a message for the user. */
export function parseBenchArguments(words: readonly string[]): BenchArguments {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      real: { type: 'boolean', default: false },
      rounds: { type: 'string', default: String(DEFAULT_ROUNDS) },
      list: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      compare: { type: 'string' },
      bound: { type: 'string' },
      against: { type: 'string' },
      node: { type: 'string' },
      pictures: { type: 'string' },
      table: { type: 'string' },
      'quiet-check': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false, short: 'h' },
    },
  });
  const {
    real,
    list,
    json,
    compare,
    against,
    node,
    pictures,
    table,
    'quiet-check': quietCheck,
    help,
  } = values;
  return {
    filters: positionals,
    real,
    rounds: checkRounds(values.rounds),
    list,
    json,
    compare,
    bound: checkBound(values.bound),
    against,
    node,
    quietCheck,
    pictures,
    table,
    help,
  };
}

function checkBound(text: string | undefined): number {
  if (text === undefined) return Infinity;
  const bound = Number(text);
  if (Number.isFinite(bound) && bound > 1) return bound;
  throw new Error(`--bound must be a number above 1, got "${text}"`);
}

function checkRounds(text: string): number {
  const rounds = Number(text);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > MOST_ROUNDS) {
    throw new Error(`--rounds must be a whole number from 1 to ${MOST_ROUNDS}, got "${text}"`);
  }
  return rounds;
}

/**
 * Those whose name contains one of the filters, in their own order. Throws on a filter that fits none: it is
 * a typing error.
 */
export function selectByName<T extends { readonly name: string }>(
  items: readonly T[],
  filters: readonly string[],
): T[] {
  const idle = filters.find((filter) => !items.some(({ name }) => name.includes(filter)));
  if (idle !== undefined)
    throw new Error(
      `no case has "${idle}" in its name; there are ${items.map(({ name }) => name).join(', ')}`,
    );
  return items.filter(({ name }) => filters.length === 0 || filters.some((filter) => name.includes(filter)));
}
