import { readFileSync } from 'node:fs';
import { Registry } from 'prom-client';
import { collector } from '../../src/metrics/prometheus.js';
import { fakePool } from '../helpers/fake-pool.js';
import test from '../helpers/sanitary.js';

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly legendFormat: string;
    readonly datasource: { readonly uid: string };
  }[];
}

interface Dashboard {
  readonly title: string;
  readonly uid: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly definition?: string }[];
  };
}

const text = readFileSync(new URL('../../../examples/grafana-dashboard.json', import.meta.url), 'utf8');
const dashboard: Dashboard = JSON.parse(text);
const charts = dashboard.panels.filter(({ type }) => type !== 'row');
const expressions = charts.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

test('the dashboard has what Grafana needs to load it', (t) => {
  t.truthy(dashboard.title);
  t.truthy(dashboard.uid);
  // Grafana 10.4 and later read this version; it migrates older ones.
  t.is(dashboard.schemaVersion, 39);
  t.is(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
  t.false(text.includes('"id": null') || text.includes('__inputs'), 'an export that asks for inputs');
  for (const { title, datasource, targets = [] } of charts) {
    t.is(datasource?.uid, '${datasource}', title);
    t.true(targets.length > 0, title);
    t.is(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
    for (const { legendFormat } of targets)
      t.regex(legendFormat, /\{\{db_client_connection_pool_name\}\}/, title);
  }
});

test('the panels of the dashboard fill their rows and do not overlap', (t) => {
  const taken = new Map<string, string>();
  for (const { title, gridPos } of dashboard.panels)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        t.is(taken.get(`${x},${y}`), undefined, title);
        taken.set(`${x},${y}`, title);
      }
  const bottom = Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
  t.is(taken.size, 24 * bottom);
});

/** The names and labels in the text of a scrape. */
async function exposed(
  t: Parameters<typeof fakePool>[0],
): Promise<{ names: Set<string>; labels: Set<string>; scraped: string }> {
  const register = new Registry();
  const { pool, connect } = fakePool(t);
  collector(pool, { register });
  const acquiring = pool.acquire();
  await connect();
  (await acquiring).release();
  await t.throwsAsync(pool.acquire({ signal: AbortSignal.abort() }));
  const scraped = await register.metrics();
  return {
    scraped,
    names: new Set([...scraped.matchAll(/^([a-z_]+)\{/gm)].map(([, name = '']) => name)),
    labels: new Set([...scraped.matchAll(/[{,]([a-z_]+)="/g)].map(([, label = '']) => label)),
  };
}

test('each query of the dashboard names metrics and labels that the collector exposes', async (t) => {
  const { names, labels } = await exposed(t);
  const used = new Set<string>();
  const variables = dashboard.templating.list.flatMap(({ definition }) => definition ?? []);
  for (const expression of [...expressions, ...variables]) {
    const metrics = [...expression.matchAll(/\b(?:db_client|broker_pool)_\w+/g)]
      .map(([name]) => name)
      .filter((name) => !labels.has(name));
    t.true(metrics.length > 0, expression);
    for (const name of metrics) {
      t.true(names.has(name), name);
      used.add(name);
    }
    for (const [, list = ''] of expression.matchAll(/\bby \(([^)]*)\)/g))
      for (const label of list.split(', ')) t.true(labels.has(label), label);
    for (const [, label = ''] of expression.matchAll(/[{,](\w+)=~?"/g)) t.true(labels.has(label), label);
  }
  const hidden = [...names].filter((name) => !used.has(name) && !/_(?:bucket|sum|count)$/.test(name));
  t.deepEqual(hidden, [
    'db_client_connection_idle_max',
    'db_client_connection_idle_min',
    // Among the failures, by their code.
    'db_client_connection_timeouts_total',
  ]);
});

test('each value of a label in a query occurs in a scrape', async (t) => {
  const { scraped } = await exposed(t);
  const values = expressions.flatMap((expression) => expression.match(/\w+="[^"]*"/g) ?? []);
  t.deepEqual([...new Set(values)].toSorted(), [
    'db_client_connection_state="idle"',
    'db_client_connection_state="used"',
  ]);
  for (const value of values) t.true(scraped.includes(value), value);
});

test('each legend shows all labels of its query and no others', (t) => {
  for (const { expr, legendFormat } of charts.flatMap(({ targets = [] }) => targets)) {
    const [, kept = ''] = /\bby \(([^)]*)\)/.exec(expr) ?? [];
    const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label);
    // histogram_quantile takes it away.
    t.deepEqual(
      shown.toSorted(),
      kept
        .split(', ')
        .filter((label) => label !== 'le')
        .toSorted(),
      expr,
    );
  }
});

test('each variable that the dashboard uses is one of its own or of Grafana, and the data source is one', (t) => {
  const own = dashboard.templating.list.map(({ name }) => name);
  t.deepEqual(own, ['datasource', 'pool']);
  t.is(dashboard.templating.list[0]?.type, 'datasource');
  for (const [, name = ''] of text.matchAll(/\$\{?(\w+)/g))
    t.true([...own, '__rate_interval', '__all'].includes(name), name);
  for (const { datasource } of charts.flatMap(({ targets = [] }) => targets))
    t.is(datasource.uid, '${datasource}');
});

test('the queries of the dashboard are balanced, and rates are taken of counters only', (t) => {
  for (const expression of expressions) {
    for (const [open, close] of ['()', '{}', '[]'].map((pair) => pair.split('')))
      t.is(expression.split(open ?? '').length, expression.split(close ?? '').length, expression);
    for (const [, name = ''] of expression.matchAll(/rate\((\w+)/g)) t.regex(name, /_(?:total|bucket)$/);
    for (const [name] of expression.matchAll(/\w+_(?:total|bucket)\{/g))
      t.true(expression.includes(`rate(${name}`), expression);
  }
});
