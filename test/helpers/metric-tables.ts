/** The table of metrics in docs/metrics.md, made of the one that the exporters read. */
import {
  HISTOGRAMS,
  NUMBERS,
  prometheusName,
  type Instrument,
  type NumberInstrument,
} from '../../src/metrics/instruments.js';

export const METRICS_PAGE = 'docs/metrics.md';

const METRIC_TABLE = /^(<!-- metrics -->)\n(?:.+\n)*/gm;

/** The page with the table of all metrics below the marker. */
export function withMetricTable(page: string): string {
  return page.replaceAll(METRIC_TABLE, (_, marker: string) =>
    [
      marker,
      '<!-- prettier-ignore -->',
      '| metric, and its name in Prometheus | kind, unit | |',
      '|---|---|---|',
      ...[...NUMBERS, ...HISTOGRAMS].map((instrument) => row(instrument)),
      '',
    ].join('\n'),
  );
}

function row(instrument: Instrument): string {
  const { name, kind, unit, description } = instrument;
  const own = kind === 'Histogram' ? '' : ownAttribute(instrument);
  return `| \`${name}\`<br>\`${prometheusName(instrument)}\` | ${kind}, \`${unit}\` | ${description}${own} |`;
}

function ownAttribute({ attribute }: NumberInstrument): string {
  return attribute === undefined ? '' : ` By \`${attribute}\`.`;
}
