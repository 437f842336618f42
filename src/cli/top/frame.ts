import { printable } from '../../errors.js';
import { longDuration, shortCount, shortDuration, sparkline } from './figures.js';
import type { History } from './history.js';
import type { PoolSummary, Row, Sample } from './sample.js';
import { cut, paint, type Tone } from './style.js';

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
  readonly width: number;
  /** The narrowest table that has it. */
  readonly from: number;
  readonly text: (row: Row) => string;
  readonly tone?: (row: Row) => Tone | undefined;
}

/** A wait that a user of the service notices. */
const LONG_WAIT_MS = 1_000;
const SMALLEST_NAME = 16;
const NONE = '-';

const COLUMNS: readonly Column[] = [
  { title: 'LEASED', width: 8, from: 0, text: ({ leased }) => shortCount(leased) },
  {
    title: 'WAITING',
    width: 9,
    from: 0,
    text: ({ waiting }) => shortCount(waiting),
    tone: ({ waiting }) => (waiting > 0 ? 'yellow' : undefined),
  },
  { title: 'IDLE', width: 6, from: 0, text: ({ idle }) => shortCount(idle) },
  { title: 'MAX', width: 6, from: 0, text: ({ max }) => shortCount(max) },
  {
    title: 'MAXWAIT',
    width: 9,
    from: 60,
    text: ({ maxWaitMs }) => shortDuration(maxWaitMs),
    tone: toneOfWait,
  },
  {
    title: 'ACQ/S',
    width: 8,
    from: 68,
    text: ({ acquires }) => (acquires === undefined ? NONE : shortCount(acquires)),
  },
  {
    title: 'AVGWAIT',
    width: 9,
    from: 78,
    text: ({ waitMs }) => (waitMs === undefined ? NONE : shortDuration(waitMs)),
  },
  { title: 'CONNECTING', width: 12, from: 90, text: ({ connecting }) => shortCount(connecting) },
  { title: 'DETACHED', width: 10, from: 100, text: ({ detached }) => shortCount(detached) },
  { title: 'CHECKING', width: 10, from: 110, text: ({ checking }) => shortCount(checking) },
  {
    title: 'TIMEOUTS',
    width: 10,
    from: 120,
    text: ({ timeouts }) => shortCount(timeouts),
    tone: badIf('timeouts'),
  },
  {
    title: 'FAILURES',
    width: 10,
    from: 130,
    text: ({ failures }) => shortCount(failures),
    tone: badIf('failures'),
  },
];

function toneOfWait({ maxWaitMs }: Row): Tone | undefined {
  return maxWaitMs >= LONG_WAIT_MS ? 'red' : undefined;
}

function badIf(name: 'timeouts' | 'failures') {
  return (row: Row): Tone | undefined => (row[name] > 0 ? 'red' : undefined);
}

/** The lines of one frame; none is longer than the view. */
export function frameOf(sample: Sample, history: History, view: View): string[] {
  const columns = COLUMNS.filter(({ from }) => view.columns >= from);
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

function titleOf(
  { pid, program, startedAtUnixMs }: Sample,
  { columns, note, isColoured, nowUnixMs }: View,
): string {
  const up = longDuration(nowUnixMs - startedAtUnixMs);
  const left = cut(`process ${pid}   ${printable(program)}   up ${up}`, columns);
  const gap = columns - left.length - note.length;
  const right = gap < 2 ? '' : ' '.repeat(gap) + paint(note, 'dim', isColoured);
  return paint(left, 'bold', isColoured) + right;
}

function headOf(columns: readonly Column[], view: View): string {
  const titles = columns.map(({ title, width }) => title.padStart(width)).join('');
  return paint(
    cut('POOL / TARGET'.padEnd(nameWidth(columns, view)) + titles, view.columns),
    'dim',
    view.isColoured,
  );
}

function poolLine({ name, driver, total, maxTotal }: PoolSummary, view: View): string {
  const limit = maxTotal === Infinity ? '' : ` of ${maxTotal}`;
  const title = cut(printable(name), view.columns);
  const more = `   ${total}${limit} connections, ${driver}`;
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
  const cells = columns.map(({ width: room, text, tone }) =>
    paint(text(row).padStart(room), tone?.(row), view.isColoured),
  );
  return name + cells.join('');
}

/** Two sparklines side by side, with the greatest value of each. */
function barsLine(row: Row, history: History, view: View): string | undefined {
  const half = Math.floor((view.columns - 2) / 2);
  const room = half - '  acquires/s '.length - ' most 000ms'.length;
  const acquires = history.acquiresOf(row);
  if (room < 4 || acquires.every((value) => value === undefined)) return undefined;
  const waits = history.waitsOf(row);
  const part = (
    label: string,
    values: readonly (number | undefined)[],
    format: (value: number) => string,
  ) => {
    const most = Math.max(0, ...values.slice(-room).map((value) => value ?? 0));
    const bars = paint(sparkline(values, room), 'cyan', view.isColoured);
    return `${label.padStart(12)} ${bars} most ${format(most).padEnd(6)}`;
  };
  return part('acquires/s', acquires, shortCount) + part('wait', waits, shortDuration).trimEnd();
}

/** The name gets the room that the columns leave. */
function nameWidth(columns: readonly Column[], view: View): number {
  const used = columns.reduce((sum, { width }) => sum + width, 0);
  return Math.max(SMALLEST_NAME, Math.min(view.columns - used, 48));
}
