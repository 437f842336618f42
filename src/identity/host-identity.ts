import { execFile } from 'node:child_process';
import { readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { promisify } from 'node:util';

const COMMAND_LIMIT_MS = 5_000;

let bootId: Promise<string> | undefined;

/**
 * Names one boot of the machine, as brokers do. Empty where it cannot be found out; a broker then compares it
 * with nothing.
 */
export function currentBootId(): Promise<string> {
  bootId ??= findBootId().catch(() => '');
  return bootId;
}

/** {@link currentBootId} on Linux, which needs no command for it. */
export function linuxBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

async function findBootId(): Promise<string> {
  // P-10: brokers compare this text with their own, so it must be what they read on the same system.
  if (process.platform === 'linux') return linuxBootId();
  if (process.platform !== 'darwin') return '';
  const { stdout } = await promisify(execFile)('/usr/sbin/sysctl', ['-n', 'kern.boottime'], {
    timeout: COMMAND_LIMIT_MS,
  });
  const [, seconds, microseconds] = /sec = (\d+), usec = (\d+)/.exec(stdout) ?? [];
  return seconds === undefined ? '' : `macos-boot-${seconds}-${microseconds}`;
}

/** The file that this process runs, as the system reports it to a broker. */
export function executablePath(): string {
  // P-11. The kernel appends " (deleted)" to the path of a replaced file, for a broker as well.
  return process.platform === 'linux' ? readlinkSync('/proc/self/exe') : realpathSync(process.execPath);
}
