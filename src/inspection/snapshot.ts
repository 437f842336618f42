import type { PoolStats } from '../pool/watching/stats.js';

/** Changes when readers of today could not read the new form. */
const VERSION = 1;

/** The pools of a thread at one moment, as they are published. */
export interface Snapshot {
  readonly version: typeof VERSION;
  readonly pid: number;
  /** 0 for the main thread. */
  readonly threadId: number;
  /** The script that the process runs, or the title of the process. */
  readonly program: string;
  /** When the process started, in milliseconds since 1970. */
  readonly startedAtUnixMs: number;
  /** When the counts were read, in milliseconds on a clock that all processes share and that is never set. */
  readonly atMs: number;
  readonly pools: readonly PoolStats[];
}

/** The text that a publisher sends: one line of JSON. */
export function formatSnapshot(snapshot: Omit<Snapshot, 'version'>): string {
  return `${JSON.stringify({ version: VERSION, ...snapshot })}\n`;
}

const POOL_NUMBERS = ['total', 'idle', 'leased', 'detached', 'connecting', 'pausing', 'waiting'] as const;
const OTHER_NUMBERS = ['oldestWaitMs', 'connectFailures', 'timeouts', 'created'] as const;

/**
 * The snapshot in a text. The fields that readers calculate with are checked: another release may have written it.
 *
 * @throws an `Error` that names what is missing
 */
export function parseSnapshot(text: string): Snapshot {
  const content: unknown = JSON.parse(text, (key, value: unknown) =>
    // JSON has no infinity.
    (key === 'max' || key === 'maxTotal') && value === null ? Infinity : value,
  );
  assertSnapshot(content);
  return content;
}

function assertSnapshot(content: unknown): asserts content is Snapshot {
  if (field(content, 'version') !== VERSION) throw new Error('it is of another release of broker-pool');
  for (const name of ['pid', 'threadId', 'startedAtUnixMs', 'atMs']) checkType(content, name, 'number');
  checkType(content, 'program', 'string');
  for (const pool of arrayIn(content, 'pools')) checkPool(pool);
}

function checkPool(pool: unknown): void {
  checkType(pool, 'name', 'string');
  checkType(pool, 'driver', 'string');
  checkType(pool, 'state', 'string');
  for (const name of ['max', 'maxTotal']) checkType(pool, name, 'number');
  checkCounts(pool);
  for (const target of arrayIn(pool, 'targets')) {
    for (const name of ['serviceName', 'wantedVersion', 'brokerEndpoint']) checkType(target, name, 'string');
    checkCounts(target);
  }
}

function checkCounts(counts: unknown): void {
  for (const name of [...POOL_NUMBERS, ...OTHER_NUMBERS]) checkType(counts, name, 'number');
  const waits = field(counts, 'waitMs');
  for (const name of ['count', 'sumMs', 'maxMs']) checkType(waits, name, 'number');
}

function checkType(from: unknown, name: string, type: 'number' | 'string'): void {
  if (typeof field(from, name) !== type) throw new Error(`${name} is no ${type}`);
}

function arrayIn(from: unknown, name: string): readonly unknown[] {
  const value = field(from, name);
  if (Array.isArray(value)) return value;
  throw new Error(`${name} is no array`);
}

function field(from: unknown, name: string): unknown {
  return typeof from === 'object' && from !== null ? Reflect.get(from, name) : undefined;
}
