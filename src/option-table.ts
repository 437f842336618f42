import { invalidArgument } from './errors.js';
import {
  checkBoolean,
  checkCount,
  checkDurationMs,
  checkFunction,
  checkSignal,
  rejectUnknownOptions,
  type CountRange,
  type DurationRange,
} from './validation.js';

/**
 * One option of a call: the type that callers give, and the type it has once checked. A table of options is
 * the one place that names them: types, settings, known names and the tables of the documents derive from it.
 * The JSDoc above an entry is what editors show to callers.
 *
 * Three checks stand beside their tables a second time, written out, since they run with each call:
 * `checkAcquireOptions`, `checkTargetOptions` and `checkRequestOptions`. test/option-table.test.ts fails when one
 * of them lacks a check.
 */
export interface Option<Given, Checked = Given> {
  /** Throws `INVALID_ARGUMENT` that begins with `name`. Not called for `undefined`. */
  check(name: string, value: Given): Checked;
  /** The value of an option that is left out. */
  fallback(): Checked;
  /** Options of the same call without which this one has no effect; one of them is enough. */
  readonly needs?: readonly string[];
}

/** An option without a default. */
export interface RequiredOption<Given, Checked = Given> {
  check(name: string, value: Given): Checked;
  readonly required: true;
}

export type OptionTable = Readonly<Record<string, Option<unknown> | RequiredOption<unknown>>>;

type GivenTo<Entry> = Entry extends { check(name: string, value: infer Given): unknown } ? Given : never;
type CheckedBy<Entry> = Entry extends { check(...parameters: never): infer Checked } ? Checked : never;
type WhereRequired<Name, Entry> = Entry extends { readonly required: true } ? Name : never;
type WhereUndefined<Name, Entry> = undefined extends CheckedBy<Entry> ? Name : never;

/** The options that callers give. Mapped types over the table keep the JSDoc of its entries. */
export type OptionsOf<Table> = {
  [Name in keyof Table as Exclude<Name, WhereRequired<Name, Table[Name]>>]?: GivenTo<Table[Name]> | undefined;
} & { [Name in keyof Table as WhereRequired<Name, Table[Name]>]: GivenTo<Table[Name]> };

/** The checked options with their defaults. */
export type SettingsOf<Table> = {
  readonly [Name in keyof Table as Exclude<Name, WhereUndefined<Name, Table[Name]>>]: CheckedBy<Table[Name]>;
} & { readonly [Name in keyof Table as WhereUndefined<Name, Table[Name]>]?: CheckedBy<Table[Name]> };

/** Takes any value, as JavaScript callers may give it. */
type Check<Checked> = (name: string, value: unknown) => Checked;

/** @param fallback the default */
export function option<Value>(check: Check<Value>, fallback: Value): Option<Value> {
  return { check, fallback: () => fallback };
}

/** An option that is `undefined` where it is left out. */
export function optional<Value>(check: Check<Value>): Option<Value, Value | undefined> {
  return { check, fallback: () => undefined };
}

/** An option whose default depends on the environment. It is computed only where it is needed. */
export function derived<Value>(check: Check<Value>, fallback: () => Value): Option<Value> {
  return { check, fallback };
}

/** An option that is used as it is given; without `fallback`, `undefined` where it is left out. */
export function unchecked<Value>(): Option<Value, Value | undefined>;
export function unchecked<Value>(fallback: () => Value): Option<Value>;
export function unchecked<Value>(
  fallback = (): Value | undefined => undefined,
): Option<Value, Value | undefined> {
  return { check: (_name, value) => value, fallback };
}

/** An option that becomes a value of another type. */
export function converted<Given, Checked>(
  check: Check<Checked>,
  fallback: () => Checked,
): Option<Given, Checked> {
  return { check, fallback };
}

/** An option that is refused unless one of the options `names` is given, as `false` or as another than its default. */
export function needing<Given, Checked>(
  names: readonly string[],
  entry: Option<Given, Checked>,
): Option<Given, Checked> {
  return { ...entry, needs: names };
}

export function required<Value>(check: Check<Value>): RequiredOption<Value> {
  return { check, required: true };
}

/** Milliseconds. */
export function duration(fallback: number, range?: DurationRange): Option<number> {
  return option((name, value) => checkDurationMs(name, value, range), fallback);
}

/** A whole number. */
export function count(fallback: number, range: CountRange): Option<number> {
  return option((name, value) => checkCount(name, value, range), fallback);
}

/** `true` or `false`; `false` by default. */
export function flag(): Option<boolean> {
  return option(checkBoolean, false);
}

/** A function; `undefined` where it is left out. */
export function callable<F extends (...parameters: never[]) => unknown>(): Option<F, F | undefined> {
  return { check: checkFunction, fallback: () => undefined };
}

/** An `AbortSignal`; `undefined` where it is left out. */
export function abortSignal(): Option<AbortSignal, AbortSignal | undefined> {
  return optional(checkSignal);
}

/**
 * The checked options of a call, with the defaults of those that are left out or `undefined`.
 *
 * @param path the name of the option that has these options in it
 * @throws `INVALID_ARGUMENT` that begins with the name of the wrong option
 */
export function readOptions<Table extends OptionTable>(
  table: Table,
  options: unknown,
  path?: string,
): SettingsOf<Table>;
export function readOptions(table: OptionTable, options: unknown, path?: string): object {
  rejectUnknownOptions(path ?? 'options', options, Object.keys(table));
  const settings: Record<string, unknown> = {};
  for (const name in table) {
    const entry = table[name]!;
    const value: unknown = Reflect.get(options, name);
    const field = path === undefined ? name : `${path}.${name}`;
    settings[name] =
      value === undefined && 'fallback' in entry ? entry.fallback() : entry.check(field, value);
    if ('needs' in entry && asksForSomething(value)) checkNeeds(table, options, entry.needs, field);
  }
  return settings;
}

/** `false` switches off, and so does `Infinity` as a time: neither needs another option. */
function asksForSomething(value: unknown): boolean {
  return value !== undefined && value !== false && value !== Infinity;
}

/** A value that is silently without effect would let its author rely on it. */
function checkNeeds(table: OptionTable, options: object, names: readonly string[] = [], field: string): void {
  const isGiven = (name: string): boolean => {
    const entry = table[name]!;
    const value: unknown = Reflect.get(options, name);
    // A switch that is off on purpose may have its settings beside it, for the day when it is on.
    if (value === false) return true;
    return value !== undefined && !('fallback' in entry && value === entry.fallback());
  };
  if (names.some(isGiven)) return;
  const others = names.join(' or ');
  throw invalidArgument(
    field,
    `needs ${others}, without which it has no effect: give ${others} too, or leave ${field} out`,
  );
}
