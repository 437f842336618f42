import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { allAdminOptions } from '../src/client/admin.js';
import { allLocalSocketOptions } from '../src/client/connect-local-socket.js';
import { allConnectOptions } from '../src/client/connect.js';
import { trustOptions } from '../src/trust-option.js';
import { BrokerPoolError } from '../src/errors.js';
import {
  callable,
  count,
  derived,
  duration,
  flag,
  needing,
  option,
  optional,
  readOptions,
  required,
  type OptionsOf,
  type OptionTable,
} from '../src/option-table.js';
import { backendOptions } from '../src/backend/options.js';
import { checkRequestOptions, requestOptions } from '../src/frames/options.js';
import { endpointCacheOptions } from '../src/endpoint-cache/options.js';
import {
  allAcquireOptions,
  allPoolOptions,
  checkAcquireOptions,
  checkTargetOptions,
  closeOptions,
  retryOptions,
  targetOptions,
} from '../src/pool/options.js';
import { checkName, checkString } from '../src/validation.js';
import { embeddedBackendOptions } from '../src/testing/options.js';
import { endpointIn } from './helpers/endpoints.js';
import { optionDocs } from './helpers/option-tables.js';
import test from './helpers/sanitary.js';

const example = {
  id: required(checkString),
  label: optional(checkString),
  size: count(3, { min: 1 }),
};

test('options that are left out or undefined have their defaults', (t) => {
  const defaults = { id: 'a', label: undefined, size: 3 };
  t.deepEqual(readOptions(example, { id: 'a' }), defaults);
  t.deepEqual(readOptions(example, { id: 'a', label: undefined, size: undefined }), defaults);
  t.deepEqual(readOptions(example, { id: 'a', label: 'b', size: 4 }), { id: 'a', label: 'b', size: 4 });
});

test('options are read through the prototype too', (t) => {
  t.is(readOptions(example, Object.create({ id: 'a', size: 5 })).size, 5);
});

test('a required option that is left out is refused by its name', (t) => {
  t.throws(() => readOptions(example, {}), {
    code: 'INVALID_ARGUMENT',
    message: /^id must be a string, got undefined/,
  });
});

test('options inside an option are refused by the names of both', (t) => {
  t.throws(() => readOptions(example, { id: 'a', size: 0 }, 'outer'), { message: /^outer\.size must be/ });
  t.throws(() => readOptions(example, { sizes: 1 }, 'outer'), {
    message: /^outer has no option "sizes"; did you mean size/,
  });
  t.throws(() => readOptions(example, 5, 'outer'), { message: /^outer must be an object/ });
});

test('a derived default is computed only for an option that is left out', (t) => {
  let computed = 0;
  const table = { where: derived(checkString, () => String(++computed)) };
  readOptions(table, { where: 'here' });
  t.is(computed, 0);
  t.is(readOptions(table, {}).where, '1');
});

test('the type of the options follows from the table', (t) => {
  const given: OptionsOf<typeof example> = { id: 'a', size: undefined };
  given.label = 'b';
  // @ts-expect-error -- id is required
  const missing: OptionsOf<typeof example> = { size: 1 };
  // @ts-expect-error -- a count is a number
  const wrong: OptionsOf<typeof example> = { id: 'a', size: '1' };
  t.deepEqual([given.label, missing.size, wrong.id], ['b', 1, 'a']);
});

const dependent = {
  mode: option((name, value) => checkName(name, value, ['none', 'some']), 'none'),
  hook: callable<() => void>(),
  limitMs: needing(['hook'], duration(Infinity, { allowInfinity: true })),
  size: needing(['mode', 'hook'], count(3, { min: 1 })),
  loud: needing(['mode'], flag()),
  isOn: flag(),
  onMs: needing(['isOn'], duration(5)),
};

test('an option without one that it needs is refused by the names of both, also by its default', (t) => {
  const missing = {
    code: 'INVALID_ARGUMENT',
    message: /^limitMs needs hook, .* give hook too, or leave limitMs out$/,
  };
  t.throws(() => readOptions(dependent, { limitMs: 5 }), missing);
  t.throws(() => readOptions(dependent, { limitMs: 5, hook: undefined }), missing);
  t.throws(() => readOptions(dependent, { size: 3 }), { message: /^size needs mode or hook, / });
  t.throws(() => readOptions(dependent, { loud: true }, 'outer'), {
    message: /^outer\.loud needs mode, .* or leave outer\.loud out$/,
  });
  t.is(readOptions(dependent, { limitMs: 5, hook: () => {} }).limitMs, 5);
});

test('one of the options that another one needs is enough, unless it has its default', (t) => {
  t.is(readOptions(dependent, { size: 5, mode: 'some' }).size, 5);
  t.is(readOptions(dependent, { size: 5, hook: () => {} }).size, 5);
  t.throws(() => readOptions(dependent, { size: 5, mode: 'none' }), { message: /^size needs mode or hook/ });
});

test('a switch that is off has its settings beside it only where it is given', (t) => {
  t.like(readOptions(dependent, { isOn: false, onMs: 7 }), { isOn: false, onMs: 7 });
  t.throws(() => readOptions(dependent, { isOn: undefined, onMs: 7 }), { message: /^onMs needs isOn/ });
});

test('undefined, false and Infinity need no other option', (t) => {
  t.like(readOptions(dependent, { size: undefined, loud: false, limitMs: Infinity }), {
    size: 3,
    loud: false,
    limitMs: Infinity,
  });
});

test('a wrong value is refused as such, with or without the options that it needs', (t) => {
  t.throws(() => readOptions(dependent, { size: 0 }), { message: /^size must be/ });
});

/** Given, so that none is derived. */
const brokerEndpoint = endpointIn('/run', 'broker');

const readers: Readonly<Record<string, [OptionTable, (options: object) => unknown]>> = {
  pool: [allPoolOptions, (options) => readOptions(allPoolOptions, { brokerEndpoint, ...options })],
  'endpoint cache': [endpointCacheOptions, (options) => readOptions(endpointCacheOptions, options)],
  retry: [retryOptions, (options) => readOptions(retryOptions, options)],
  trust: [trustOptions, (options) => readOptions(trustOptions, options)],
  acquire: [allAcquireOptions, checkAcquireOptions],
  'a call with a target': [targetOptions, checkTargetOptions],
  request: [requestOptions, checkRequestOptions],
  close: [closeOptions, (options) => readOptions(closeOptions, options)],
  connectToBackend: [
    allConnectOptions,
    (options) => readOptions(allConnectOptions, { brokerEndpoint, ...TARGET, ...options }),
  ],
  connectLocalSocket: [allLocalSocketOptions, (options) => readOptions(allLocalSocketOptions, options)],
  sendAdminRequest: [
    allAdminOptions,
    (options) => readOptions(allAdminOptions, { brokerEndpoint, verb: 'STATUS', ...options }),
  ],
};
const TARGET = { serviceName: 'a', wantedVersion: '1.0.0' };

for (const [name, [table, read]] of Object.entries(readers)) {
  test(`each option of ${name} refuses null by its name`, (t) => {
    for (const each of Object.keys(table))
      t.throws(
        () => read({ [each]: null }),
        { instanceOf: BrokerPoolError, code: 'INVALID_ARGUMENT', message: new RegExp(`^${each} `) },
        each,
      );
  });
}

test('the options that another one needs are options of the same call', (t) => {
  const tables = [...Object.values(readers).map(([table]) => table), backendOptions, embeddedBackendOptions];
  for (const table of tables)
    for (const [name, entry] of Object.entries(table))
      for (const other of ('needs' in entry && entry.needs) || [])
        t.true(other in table, `${name}: ${other}`);
});

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Defaults that `@default` describes in words. */
const DESCRIBED = new Set(['brokerEndpoint', 'roundTripTimeoutMs', 'clientLibVersion', 'trust', 'retry']);

test('the @default of each option of a pool is the default that its table has', (t) => {
  const settings: object = readOptions(allPoolOptions, { brokerEndpoint });
  for (const [name, { fallback }] of optionDocs()) {
    if (DESCRIBED.has(name)) continue;
    const value: unknown = Reflect.get(settings, name);
    t.is(value === undefined ? '' : literal(value), value === undefined ? '' : fallback, name);
    t.not(fallback, '', name);
  }
});

/** A value as JSDoc writes it. */
function literal(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value !== 'object' || value === null) return String(value);
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  return `{ ${entries.map(([name, member]) => `${name}: ${String(member)}`).join(', ')} }`;
}

test('the declarations keep the JSDoc of each option of a pool', (t) => {
  const declarations = ['pool/options', 'broker-options/common-options', 'broker-options/client-identity']
    .map((file) => readFileSync(join(ROOT, `dist/src/${file}.d.ts`), 'utf8'))
    .join('\n');
  for (const name of Object.keys(allPoolOptions))
    t.regex(declarations, new RegExp(`\\*/\\n {4}${name}: `), name);
});

test('each page that the JSDoc of an option points to exists, with its heading', (t) => {
  for (const [name, { page = 'pool.md' }] of optionDocs()) {
    const [file = '', anchor] = page.split('#');
    const path = join(ROOT, 'docs', file);
    t.true(existsSync(path), name);
    const headings = [...readFileSync(path, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
      heading.toLowerCase().replaceAll(' ', '-'),
    );
    t.true(anchor === undefined || headings.includes(anchor), `${name}: ${page}`);
  }
});
