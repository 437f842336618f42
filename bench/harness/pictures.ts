import { inLightAndDark, LIGHT } from './colours.js';
import { textWidth } from './letter-widths.js';
import {
  FONT_SIZE,
  LABEL_PADDING,
  layoutFor,
  LONGEST_LABEL,
  panelTitle,
  picture,
  render,
  type Layout,
  type Panel,
  type Specification,
} from './picture-layout.js';
import { short } from './print.js';
import type { BenchRun, CaseResult, PictureKind, Row, Table } from './result.js';
import { findRow, median, ratioOf } from './statistics.js';

/** A picture and the name of its file. */
export interface Picture {
  readonly name: string;
  readonly svg: string;
}

const BAR_HEIGHT = 22;
/** A bar so many times as long as ours and the baseline's is cut off: it would leave those no length to compare. */
const LONGEST_BAR = 4;
/** In pixels. */
const BAR_TO_FIGURE = 5;
/** A ratio so many times the ratio of the two bars, or as many times smaller, needs the rounds' range beside it. */
const SURPRISING = 1.2;
const NS_PER_US = 1_000;
/** A panel of nanoseconds is drawn in microseconds where one of its figures is as large. */
const LARGE_NS = 10 * NS_PER_US;
const LEGEND =
  'Green: broker-pool. Blue: others. Grey: for scale, such as bare sockets, or broker-pool with less to do.';
const MEDIANS = 'Bars: medians of the rounds. A ratio: the median of the ratios within each round.';
const CUT_OFF = 'A bar before "…" is cut off: its figure counts, not its length.';
const ROLE_COLOURS = {
  field: 'role',
  type: 'nominal',
  legend: null,
  scale: { domain: ['ours', 'peer', 'floor'], range: [LIGHT.ours, LIGHT.peer, LIGHT.floor] },
};

/** The pictures that the run's cases ask for. */
export async function drawPictures(run: BenchRun): Promise<Picture[]> {
  const pictures: Picture[] = [];
  for (const result of run.cases) {
    for (const kind of result.pictures) {
      const name = kind === 'bars' ? result.name : `${result.name}-${kind}`;
      pictures.push({ name, svg: inLightAndDark(await render(specificationOf(result, kind))) });
    }
  }
  return pictures;
}

function specificationOf(result: CaseResult, kind: PictureKind): Specification {
  return kind === 'bars' ? bars(result) : percentiles(result);
}

function panel(table: Table, layout: Layout, height: number, rest: Panel): Panel {
  return {
    title: panelTitle(table.title, answerOf(table), layout),
    height,
    ...rest,
  };
}

const names = {
  field: 'name',
  type: 'nominal',
  sort: null,
  title: null,
  axis: { labelLimit: LONGEST_LABEL, ticks: false, domain: false, labelPadding: LABEL_PADDING },
};

/** The figures of the rows: bars that begin at 0. */
export function bars(result: CaseResult): Specification {
  const tables = drawn(result, 'bars').map((table) => ({ table, values: barsOf(table) }));
  const cut = tables.some(({ values }) => values.some(({ figure }) => figure.startsWith('…')));
  const layout = layoutFor(tables.map(({ values }) => values.map(({ name }) => name)));
  const panels = tables.map(({ table, values }) => {
    const x = {
      field: 'length',
      type: 'quantitative',
      axis: null,
      scale: { domain: [0, lengthOfPanel(values, layout)], nice: false },
    };
    return panel(table, layout, values.length * BAR_HEIGHT, {
      data: { values },
      encoding: { y: names, x },
      layer: [
        {
          mark: { type: 'bar', height: { band: 0.7 }, cornerRadiusEnd: 2 },
          encoding: { color: ROLE_COLOURS },
        },
        {
          mark: { type: 'text', align: 'left', dx: BAR_TO_FIGURE },
          encoding: { text: { field: 'figure', type: 'nominal' } },
        },
      ],
    });
  });
  return picture(result.question, [LEGEND, MEDIANS, ...(cut ? [CUT_OFF] : [])], panels, layout);
}

/** How long a bar as wide as the panel would be, so that each figure has room behind its bar. */
function lengthOfPanel(values: readonly Bar[], { panelWidth }: Layout): number {
  return Math.max(
    ...values.map(({ length, figure }) => {
      const share = 1 - (BAR_TO_FIGURE + textWidth(figure, FONT_SIZE)) / panelWidth;
      return length / share;
    }),
  );
}

interface Bar {
  readonly name: string;
  readonly role: Row['role'];
  readonly length: number;
  readonly figure: string;
}

function barsOf(table: Table): Bar[] {
  const figures = table.rows
    .map((row) => ({ row, middle: median(row.rounds) }))
    .filter(({ middle }) => Number.isFinite(middle));
  const compared = figures.filter(({ row }) => row === oursOf(table) || row.name === table.baseline);
  const longest = LONGEST_BAR * Math.max(...compared.map(({ middle }) => middle));
  const inUs = table.unit === 'ns' && figures.some(({ middle }) => middle >= LARGE_NS);
  const written = (middle: number): string =>
    inUs ? `${short(middle / NS_PER_US)} µs` : `${short(middle)} ${table.unit}`;
  return figures.map(({ row: { name, role }, middle }) => ({
    name,
    role,
    length: Math.min(middle, longest),
    figure: `${middle > longest ? '… ' : ''}${written(middle)}`,
  }));
}

/** Times of the slowest: from the median over 99 % to 99.9 %, on a logarithmic scale. */
export function percentiles(result: CaseResult): Specification {
  const tables = drawn(result, 'percentiles')
    .map((table) => ({ table, values: dotsOf(table) }))
    .filter(({ values }) => values.length > 0);
  const layout = layoutFor(tables.map(({ values }) => values.map(({ name }) => name)));
  const panels = tables.map(({ table, values }) => {
    const ticks = powersOfTen(
      Math.min(...values.map(({ p50 }) => p50)),
      Math.max(...values.map(({ p999 }) => p999)),
    );
    const at = (field: string): object => ({
      field,
      type: 'quantitative',
      title: 'µs',
      scale: { type: 'log', domain: [ticks[0], ticks.at(-1)] },
      axis: { grid: true, gridColor: LIGHT.grid, domain: false, values: ticks, format: ',~r' },
    });
    const dot = (field: string, size: number, filled: boolean): object => ({
      mark: { type: 'point', size, filled, opacity: 1 },
      encoding: { x: at(field), color: ROLE_COLOURS },
    });
    return panel(table, layout, values.length * BAR_HEIGHT, {
      data: { values },
      encoding: { y: names },
      layer: [
        {
          mark: { type: 'rule', strokeWidth: 2 },
          encoding: { x: at('p50'), x2: { field: 'p999' }, color: ROLE_COLOURS },
        },
        dot('p50', 90, true),
        dot('p99', 50, false),
        dot('p999', 20, true),
      ],
    });
  });
  return picture(
    result.question,
    ['Large dot: half take less. Ring: 99 of 100. Small dot: 999 of 1,000. Green: broker-pool.'],
    panels,
    layout,
  );
}

interface Dots {
  readonly name: string;
  readonly role: Row['role'];
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

function dotsOf({ rows }: Table): Dots[] {
  return rows.flatMap(({ name, role, latency }) =>
    latency === undefined ? [] : [{ name, role, p50: latency.p50, p99: latency.p99, p999: latency.p999 }],
  );
}

/** From the one below to the one above. */
function powersOfTen(smallest: number, largest: number): number[] {
  const first = Math.floor(Math.log10(smallest));
  const last = Math.max(first + 1, Math.ceil(Math.log10(largest)));
  return Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index));
}

function drawn({ tables }: CaseResult, kind: PictureKind): Table[] {
  // A table of zeros has nothing to draw.
  return tables.filter(
    ({ pictures = [kind], rows }) => pictures.includes(kind) && rows.some((row) => median(row.rounds) > 0),
  );
}

/** Our figures in the table. */
function answerOf(table: Table): string[] {
  const better = `${table.better} is better`;
  const baseline = findRow(table, table.baseline);
  const ours = oursOf(table);
  if (baseline === undefined || ours === undefined) return [better];
  const { middle, lowest, highest } = ratioOf(ours, baseline);
  const apart = middle / (median(ours.rounds) / median(baseline.rounds));
  const spread = `single rounds: ${short(lowest)}–${short(highest)}`;
  return [
    `${ours.name}:`,
    `${short(middle)} × ${baseline.name}; ${better}`,
    ...(Math.max(apart, 1 / apart) > SURPRISING ? [spread] : []),
  ];
}

/** The row that the table is about. */
function oursOf(table: Table): Row | undefined {
  const { answer, baseline, rows } = table;
  if (answer !== undefined) return findRow(table, answer);
  return rows.find(({ role, name }) => role === 'ours' && name !== baseline);
}
