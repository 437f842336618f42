import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Round } from './measure.js';

/** One line of a report. `baseline` is the name of the line it is compared with. */
export interface ResultRow {
  readonly group: string;
  readonly name: string;
  readonly result: Round;
  readonly baseline: string;
}

/** From dist/bench/harness the project is three levels up. */
const RESULTS_FOLDER = fileURLToPath(new URL('../../../bench/results/', import.meta.url));
const PACKAGE_FILE = fileURLToPath(new URL('../../../package.json', import.meta.url));

/** What the figures were measured on. */
export function machine(): Record<string, string | number> {
  const { version }: { version: string } = JSON.parse(readFileSync(PACKAGE_FILE, 'utf8'));
  const cpus = os.cpus();
  return {
    cpu: cpus[0]?.model ?? 'unknown',
    cores: cpus.length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release()}`,
    node: process.version,
    'broker-pool': version,
  };
}

/** How many times slower than its baseline a row's median is. */
export function ratioOf(row: ResultRow, rows: readonly ResultRow[]): number {
  const baseline = rows.find(({ group, name }) => group === row.group && name === row.baseline);
  return baseline === undefined ? Number.NaN : row.result.p50Us / baseline.result.p50Us;
}

export function printTable(question: string, rows: readonly ResultRow[]): void {
  console.log(`\n${question}`);
  console.log(Object.entries(machine()).map(([key, value]) => `${key} ${value}`).join(' · '));
  const header = ['', 'p50 µs', 'p90 µs', 'p99 µs', 'p99.9 µs', 'per second', '× baseline', '× baseline /s'];
  const lines = rows.map((row) => {
    const { p50Us, p90Us, p99Us, p999Us, perSecond } = row.result;
    const base = rows.find(({ group, name }) => group === row.group && name === row.baseline);
    const throughput = base === undefined ? Number.NaN : perSecond / base.result.perSecond;
    return [
      `${row.group} · ${row.name}`,
      ...[p50Us, p90Us, p99Us, p999Us].map((value) => value.toFixed(0)),
      perSecond.toFixed(0),
      ratioOf(row, rows).toFixed(2),
      throughput.toFixed(2),
    ];
  });
  const widths = header.map((title, column) => Math.max(title.length, ...lines.map((line) => line[column]?.length ?? 0)));
  for (const line of [header, ...lines]) {
    console.log(line.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  '));
  }
}

/** Writes the figures for later comparison; returns the file's path. */
export function writeJson(name: string, question: string, rows: readonly ResultRow[]): string {
  mkdirSync(RESULTS_FOLDER, { recursive: true });
  const file = `${RESULTS_FOLDER}${name}.json`;
  writeFileSync(file, `${JSON.stringify({ question, machine: machine(), rows }, undefined, 2)}\n`);
  return file;
}

export function writePicture(name: string, svg: string): string {
  mkdirSync(RESULTS_FOLDER, { recursive: true });
  const file = `${RESULTS_FOLDER}${name}.svg`;
  writeFileSync(file, svg);
  return file;
}
