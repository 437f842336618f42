import { readFileSync, rmSync } from 'node:fs';
import { formatIdentityFile, parseIdentityFile } from '../../wire/identity-file.js';
import type { DaemonProcess } from '../../wire/messages.js';
import { replaceFile } from '../../os/replace-file.js';

/** The umask may take bits away, as from upstream's (P-26). Others may read the file: it holds no secret. */
const MODE = 0o644;

/** Writes the identity file as a whole. Throws the system's error, also for a missing directory. */
export function writeIdentityFile(path: string, identity: DaemonProcess): void {
  replaceFile(path, formatIdentityFile(identity), MODE);
}

/** Removes the identity file unless it names another backend by now. */
export function removeIdentityFile(path: string, identity: DaemonProcess): void {
  try {
    const { pid, ipcEndpoint } = parseIdentityFile(readFileSync(path, 'utf8'));
    if (pid === identity.pid && ipcEndpoint?.path === identity.ipcEndpoint?.path) rmSync(path);
  } catch {
    // The file is gone, or another program's.
  }
}
