import { importPeer } from './peer-modules.js';
import type { BenchRun, CaseResult, Role, Table } from './result.js';
import { findRow, ratioOf } from './statistics.js';

/** The parts of the plotting library that are used here. */
interface VegaLite {
  compile(specification: object, options: { logger: object }): { spec: object };
}
interface Vega {
  parse(specification: object): object;
  /** @param level 0 for silence */
  logger(level: number): object;
  View: new (runtime: object, options: object) => { toSVG(): Promise<string> };
}

/** A picture and the name of its file. */
export interface Picture {
  readonly name: string;
  readonly svg: string;
}

const COLOURS = { ours: '#1b7f5c', peer: '#8aa0b4', floor: '#c9b458' } as const satisfies Readonly<
  Record<Role, string>
>;

/** What the run's cases want to have drawn. */
export async function drawPictures(run: BenchRun): Promise<Picture[]> {
  const pictures: Picture[] = [];
  for (const result of run.cases) {
    if (result.pictures.includes('bars'))
      pictures.push({ name: result.name, svg: await render(bars(result)) });
    if (result.pictures.includes('distribution'))
      pictures.push({ name: `${result.name}-distribution`, svg: await render(distribution(result)) });
  }
  return pictures;
}

async function render(specification: object): Promise<string> {
  const vega = await importPeer<Vega>('vega');
  const vegaLite = await importPeer<VegaLite>('vega-lite');
  // It warns of what facets with scales of their own might be mistaken for.
  const { spec } = vegaLite.compile(
    { background: 'white', config: { header: { labelLimit: 0 } }, ...specification },
    { logger: vega.logger(0) },
  );
  return await new vega.View(vega.parse(spec), { renderer: 'none' }).toSVG();
}

function drawn({ tables }: CaseResult): Table[] {
  return tables.filter(({ inPictures = true }) => inPictures);
}

/** One facet for each table, in their order, with its title above. */
function facet(titles: readonly string[], columns: number): object {
  return {
    columns,
    facet: { field: 'table', sort: titles, title: null, header: { labelFontWeight: 'bold' } },
  };
}

/** Bars of medians as multiples of each table's baseline, on a logarithmic scale. */
export function bars(result: CaseResult): object {
  const values = drawn(result).flatMap((table) => {
    const baseline = findRow(table, table.baseline);
    if (baseline === undefined) return [];
    return table.rows.map((row) => ({
      table: titleOf(table),
      name: row.name,
      role: row.role,
      ratio: ratioOf(row, baseline).middle,
    }));
  });
  return {
    title: result.question,
    // A logarithmic scale has no place for nothing at all.
    data: { values: values.filter(({ ratio }) => ratio > 0 && Number.isFinite(ratio)) },
    ...facet(drawn(result).map(titleOf), 1),
    spec: {
      width: 460,
      height: { step: 20 },
      encoding: {
        y: { field: 'name', type: 'nominal', sort: null, title: null, axis: { labelLimit: 320 } },
        x: {
          field: 'ratio',
          type: 'quantitative',
          stack: null,
          scale: { type: 'log' },
          title: 'multiples of the baseline (log)',
        },
      },
      layer: [
        // The bars start at the baseline: a logarithmic scale has no 0.
        {
          mark: { type: 'bar' },
          encoding: {
            x2: { datum: 1 },
            color: {
              field: 'role',
              type: 'nominal',
              legend: null,
              scale: { domain: Object.keys(COLOURS), range: Object.values(COLOURS) },
            },
          },
        },
        {
          mark: { type: 'text', align: 'left', dx: 4 },
          encoding: { text: { field: 'ratio', type: 'quantitative', format: '.2f' } },
        },
      ],
    },
    resolve: { scale: { y: 'independent' } },
  };
}

function titleOf({ title, unit, better, baseline }: Table): string {
  return `${title}: ${unit}, ${better} is better, 1 = ${baseline}`;
}

/** The cumulative distribution of latencies, one line for each contender. */
export function distribution(result: CaseResult): object {
  const values = drawn(result).flatMap((table) =>
    table.rows.flatMap(({ name, latency }) =>
      (latency?.curve ?? []).map(([share, latencyUs]) => ({ table: table.title, name, share, latencyUs })),
    ),
  );
  return {
    title: result.question,
    data: { values },
    ...facet(
      drawn(result).map(({ title }) => title),
      2,
    ),
    spec: {
      width: 340,
      height: 200,
      mark: { type: 'line', interpolate: 'monotone' },
      encoding: {
        x: { field: 'latencyUs', type: 'quantitative', scale: { type: 'log' }, title: 'latency in µs (log)' },
        y: { field: 'share', type: 'quantitative', title: 'share that is faster' },
        color: { field: 'name', type: 'nominal', title: null, sort: null, legend: { labelLimit: 320 } },
      },
    },
    resolve: { scale: { x: 'independent' } },
  };
}
