import { readFileSync, rmSync } from 'node:fs';
import { formatIdentityFile } from '../../wire/identity-file.js';
import type { DaemonProcess } from '../../wire/messages.js';
import { replaceFile } from '../../os/replace-file.js';

/** Less what the umask takes away, as upstream's (P-26): it holds no secret. */
const MODE = 0o644;

/** Writes the identity file as a whole. Throws the system's error, also for a missing directory. */
export function writeIdentityFile(path: string, identity: DaemonProcess): void {
  replaceFile(path, formatIdentityFile(identity), MODE);
}

/** Removes the identity file unless it names another process by now. */
export function removeIdentityFile(path: string): void {
  try {
    const { pid }: { readonly pid?: unknown } = JSON.parse(readFileSync(path, 'utf8'));
    if (pid === process.pid) rmSync(path);
  } catch {
    // It is gone, or another program's.
  }
}
