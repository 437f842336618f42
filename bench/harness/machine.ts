import { readFileSync } from 'node:fs';
import os from 'node:os';
import { peerVersions } from './peer-modules.js';
import { priorityOfThisProcess } from './priority.js';

/** From dist/bench/harness the project is three levels up. */
const PROJECT = new URL('../../../', import.meta.url);

/** The machine and the versions that the figures were measured with. */
export function machine(real: boolean): Record<string, string | number> {
  const { version }: { version: string } = JSON.parse(readFileSync(new URL('package.json', PROJECT), 'utf8'));
  const cpus = os.cpus();
  const priority = priorityOfThisProcess();
  return {
    cpu: cpus[0]?.model ?? 'unknown',
    cores: cpus.length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release()}`,
    node: process.version,
    ...(priority === undefined ? {} : { priority }),
    'broker-pool': version,
    ...peerVersions(),
    ...(real ? { 'running-process (Rust)': rustCrateVersion() } : {}),
  };
}

function rustCrateVersion(): string {
  const manifest = readFileSync(new URL('test/interop/rust/Cargo.toml', PROJECT), 'utf8');
  return /^running-process\s*=.*?"=([\d.]+)"/m.exec(manifest)?.[1] ?? 'unknown';
}
