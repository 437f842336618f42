import { printable } from '../../errors.js';
import { longDuration, shortCount, shortDuration, sparkline } from './figures.js';
import type { History } from './history.js';
import type { PublishingProcess } from './processes.js';
import type { PoolSummary, Row, Sample } from './sample.js';
import { cut, cutFront, paint, type Tone } from '../style.js';

/** Room and looks of a frame. */
export interface View {
  readonly columns: number;
  /** `Infinity` where the output scrolls. */
  readonly rows: number;
  readonly isColoured: boolean;
  /** At the right end of the first line. */
  readonly note: string;
  /** The wall clock, in milliseconds since 1970. */
  readonly nowUnixMs: number;
}

interface Column {
  readonly title: string;
  readonly text: (row: Row) => string;
  readonly tone?: (row: Row) => Tone | undefined;
}

/** A wait that a user of the service notices. */
const LONG_WAIT_MS = 1_000;
const SMALLEST_NAME = 20;
const GREATEST_NAME = 48;
const SMALLEST_BARS = 4;
const NONE = '-';

/** The most important first: a narrow terminal shows those that fit. */
const COLUMNS: readonly Column[] = [
  { title: 'LEASED', text: ({ leased }) => shortCount(leased) },
  {
    title: 'WAITING',
    text: ({ waiting }) => shortCount(waiting),
    tone: ({ waiting }) => (waiting > 0 ? 'yellow' : undefined),
  },
  { title: 'IDLE', text: ({ idle }) => shortCount(idle) },
  { title: 'MAX', text: ({ max }) => shortCount(max) },
  { title: 'MAXWAIT', text: ({ maxWaitMs }) => shortDuration(maxWaitMs), tone: toneOfWait },
  { title: 'ACQ/S', text: ({ acquires }) => (acquires === undefined ? NONE : shortCount(acquires)) },
  { title: 'AVGWAIT', text: ({ waitMs }) => (waitMs === undefined ? NONE : shortDuration(waitMs)) },
  { title: 'CONNECTING', text: ({ connecting }) => shortCount(connecting) },
  { title: 'DETACHED', text: ({ detached }) => shortCount(detached) },
  { title: 'CHECKING', text: ({ checking }) => shortCount(checking) },
  { title: 'TIMEOUTS', text: ({ timeouts }) => shortCount(timeouts), tone: badIf('timeouts') },
  { title: 'FAILURES', text: ({ failures }) => shortCount(failures), tone: badIf('failures') },
];

/** Room for a title or a figure of six characters, and the space before it. */
function widthOf({ title }: Column): number {
  return Math.max(title.length, 4) + 2;
}

function toneOfWait({ maxWaitMs }: Row): Tone | undefined {
  return maxWaitMs >= LONG_WAIT_MS ? 'red' : undefined;
}

function badIf(name: 'timeouts' | 'failures') {
  return (row: Row): Tone | undefined => (row[name] > 0 ? 'red' : undefined);
}

function fitting(view: View): Column[] {
  let used = SMALLEST_NAME;
  // None behind one that does not fit: a wider terminal only adds columns.
  const end = COLUMNS.findIndex((column) => (used += widthOf(column)) > view.columns);
  return COLUMNS.slice(0, end < 0 ? COLUMNS.length : end);
}

/** The lines of one frame; none is longer than the view. */
export function frameOf(sample: Sample, history: History, view: View): string[] {
  const columns = fitting(view);
  const lines = [titleOf(sample, view), '', headOf(columns, view)];
  for (const pool of sample.pools) {
    lines.push(poolLine(pool, view));
    for (const row of sample.rows.filter((one) => one.pool === pool.key)) {
      lines.push(rowLine(row, columns, view));
      const bars = barsLine(row, history, view);
      if (bars !== undefined) lines.push(bars);
    }
  }
  if (sample.pools.length === 0) lines.push(paint('no open pools', 'dim', view.isColoured));
  if (lines.length <= view.rows) return lines;
  const shown = lines.slice(0, view.rows - 1);
  return [
    ...shown,
    paint(cut(`… ${lines.length - shown.length} more lines`, view.columns), 'dim', view.isColoured),
  ];
}

function titleOf({ pid, program, startedAtUnixMs }: Sample, view: View): string {
  const { columns, note, isColoured, nowUnixMs } = view;
  const front = `process ${pid}   `;
  const back = `   up ${longDuration(nowUnixMs - startedAtUnixMs)}`;
  const room = columns - front.length - back.length - note.length - 2;
  const left = cut(front + cutFront(printable(program), Math.max(room, SMALLEST_NAME)) + back, columns);
  const gap = columns - left.length - note.length;
  const right = note === '' || gap < 2 ? '' : ' '.repeat(gap) + paint(note, 'dim', isColoured);
  return paint(left, 'bold', isColoured) + right;
}

function headOf(columns: readonly Column[], view: View): string {
  const titles = columns.map((column) => column.title.padStart(widthOf(column))).join('');
  return paint(
    cut('POOL / TARGET'.padEnd(nameWidth(columns, view)) + titles, view.columns),
    'dim',
    view.isColoured,
  );
}

function poolLine({ name, driver, total, maxTotal, isClosing }: PoolSummary, view: View): string {
  const limit = maxTotal === Infinity ? '' : ` of ${maxTotal}`;
  const noun = total === 1 && limit === '' ? 'connection' : 'connections';
  const title = cut(printable(name), view.columns);
  const more = `   ${total}${limit} ${noun}, driver ${driver}${isClosing ? ', closing' : ''}`;
  const room = view.columns - title.length;
  return (
    paint(title, 'bold', view.isColoured) + (more.length > room ? '' : paint(more, 'dim', view.isColoured))
  );
}

function rowLine(row: Row, columns: readonly Column[], view: View): string {
  const width = nameWidth(columns, view);
  const name = cut(`  ${row.target === '' ? '(no target yet)' : printable(row.target)}`, width - 1).padEnd(
    width,
  );
  const cells = columns.map((column) =>
    paint(column.text(row).padStart(widthOf(column)), column.tone?.(row), view.isColoured),
  );
  return name + cells.join('');
}

/** Two sparklines side by side, with the greatest value of each. */
function barsLine(row: Row, history: History, view: View): string | undefined {
  const half = Math.floor((view.columns - 2) / 2);
  const room = half - '  acquires/s '.length - ' peak 000ms'.length;
  const acquires = history.acquiresOf(row);
  if (room < SMALLEST_BARS || acquires.filter((value) => value !== undefined).length < 2) return undefined;
  const waits = history.waitsOf(row);
  const part = (
    label: string,
    values: readonly (number | undefined)[],
    format: (value: number) => string,
  ) => {
    const most = Math.max(0, ...values.slice(-room).map((value) => value ?? 0));
    const bars = paint(sparkline(values, room), 'cyan', view.isColoured);
    return `${label.padStart(12)} ${bars} peak ${format(most).padEnd(6)}`;
  };
  return part('acquires/s', acquires, shortCount) + part('wait', waits, shortDuration).trimEnd();
}

/** The name gets the room that the columns leave. */
function nameWidth(columns: readonly Column[], view: View): number {
  const used = columns.reduce((sum, column) => sum + widthOf(column), 0);
  return Math.min(view.columns - used, GREATEST_NAME);
}

/** Processes that publish pools, one in a line. */
export function processTable(processes: readonly PublishingProcess[], isColoured: boolean): string[] {
  const head = [
    'PID'.padStart(8),
    'POOLS'.padStart(7),
    'LEASED'.padStart(8),
    'WAITING'.padStart(9),
    '  PROGRAM',
  ];
  const rows = processes.map(({ pid, snapshots }) => {
    const pools = snapshots.flatMap((snapshot) => snapshot.pools);
    const sum = (name: 'leased' | 'waiting'): number => pools.reduce((total, pool) => total + pool[name], 0);
    return [
      String(pid).padStart(8),
      String(pools.length).padStart(7),
      shortCount(sum('leased')).padStart(8),
      shortCount(sum('waiting')).padStart(9),
      `  ${printable(snapshots[0].program)}`,
    ].join('');
  });
  return [paint(head.join(''), 'dim', isColoured), ...rows];
}
