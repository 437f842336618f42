import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { ratioOf, type ResultRow } from './report.js';

/** The two functions of the plotting library that are used here. */
interface VegaLite {
  compile(specification: object): { spec: object };
}
interface Vega {
  parse(specification: object): object;
  View: new (runtime: object, options: object) => { toSVG(): Promise<string> };
}

/** The plotting library belongs to bench/package.json, so that users of the package do not install it. */
const requireFromBench = createRequire(new URL('../../../bench/package.json', import.meta.url));

async function importFromBench<T>(name: string): Promise<T> {
  const module: T = await import(pathToFileURL(requireFromBench.resolve(name)).href);
  return module;
}

/** Bars of medians as multiples of each group's baseline, left of it where faster, on a logarithmic scale; `undefined` if the library is not installed. */
export async function ratioChart(title: string, rows: readonly ResultRow[]): Promise<string | undefined> {
  let vega: Vega;
  let vegaLite: VegaLite;
  try {
    vega = await importFromBench<Vega>('vega');
    vegaLite = await importFromBench<VegaLite>('vega-lite');
  } catch {
    return undefined;
  }
  const values = rows.map((row) => ({ group: row.group, name: row.name, ratio: ratioOf(row, rows) }));
  const { spec } = vegaLite.compile({
    title,
    data: { values },
    background: 'white',
    facet: { row: { field: 'group', sort: null, title: null, header: { labelAngle: 0, labelAlign: 'left', labelFontWeight: 'bold' } } },
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
          title: 'median, multiples of the baseline: left is faster, right is slower (log)',
        },
      },
      layer: [
        // A logarithmic scale has no 0 to draw a bar from: it starts at the baseline.
        { mark: { type: 'bar' }, encoding: { x2: { datum: 1 }, color: { field: 'name', type: 'nominal', legend: null } } },
        {
          mark: { type: 'text', align: 'left', dx: 4 },
          encoding: { text: { field: 'ratio', type: 'quantitative', format: '.2f' } },
        },
      ],
    },
    resolve: { scale: { y: 'independent' } },
  });
  return await new vega.View(vega.parse(spec), { renderer: 'none' }).toSVG();
}
