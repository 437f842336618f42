import { isUtf8 } from 'node:buffer';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
  type Stats,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { systemCode } from './errno.js';
import { readShortFile, RefusedFile } from './short-file.js';
import { ANY_OTHER } from './trusted-file.js';

/** Another process is in the way of replacing the file. The message says how. */
export class BusyFile extends Error {}

type Rename = (from: string, to: string) => void;

/** Windows fails a rename over a file with these codes while another program has it open. */
const BUSY_CODES: readonly (string | undefined)[] = ['EACCES', 'EBUSY', 'EPERM'];

const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
const PRIVATE_MODE = 0o600;
const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/** A writer needs less than a millisecond between making its temporary file and renaming it. */
const LEFT_OVER_AFTER_MS = 60_000;

/**
 * A small file that only this user can read and write, replaced as a whole: a reader sees the old or the new
 * content. There is no lock, which a killed process would leave behind.
 *
 * Every call is synchronous, and throws `RefusedFile`, `BusyFile` or the system's error.
 */
export class PrivateFile {
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #rename: Rename;
  readonly #platform: NodeJS.Platform;

  /** Tests pass in a `rename` and a `platform` of their own. */
  constructor(path: string, maxBytes: number, rename: Rename = renameSync, platform = process.platform) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#rename = rename;
    this.#platform = platform;
  }

  /** Changes whenever the file is replaced; `undefined` without a file. One system call. */
  identify(): string | undefined {
    const stats = lstatSync(this.#path, { throwIfNoEntry: false });
    return stats && identityOf(stats);
  }

  /** The content; `undefined` without a file. Does not follow a link. */
  read(): { readonly text: string; readonly identity: string } | undefined {
    this.#checkDirectory();
    try {
      const { content, stats } = readShortFile(this.#path, this.#maxBytes, constants.O_NOFOLLOW, checkFile);
      // Decoding bytes that are not UTF-8 would put other letters into the names. NUL is not JSON.
      return { text: isUtf8(content) ? content.toString() : '\0', identity: identityOf(stats) };
    } catch (error) {
      const code = systemCode(error);
      if (code === 'ENOENT') return undefined;
      // EMLINK is FreeBSD's ELOOP; a socket cannot be opened at all.
      if (code === 'ELOOP' || code === 'EMLINK') throw new RefusedFile('is a symbolic link');
      if (code === 'ENXIO') throw new RefusedFile('is not a regular file');
      throw error;
    }
  }

  /**
   * Replaces the file if it is still the one named by `expected`; returns the new identity. Another process
   * may write between that look and the rename, and its content is lost: see `EndpointFile`.
   *
   * Not synced to the disk: after a power failure every endpoint is gone anyway.
   */
  replace(text: string, expected: string | undefined): string {
    this.#checkDirectory();
    const temporary = `${this.#path}.${Math.random().toString(36).slice(2)}.tmp`;
    // O_EXCL neither follows a link nor opens a file that another user has planted.
    const descriptor = openSync(temporary, CREATE_FLAGS, PRIVATE_MODE);
    try {
      const identity = writeText(descriptor, text);
      if (this.identify() !== expected) throw new BusyFile('other processes replace it all the time');
      this.#takePlace(temporary);
      return identity;
    } catch (error) {
      removeQuietly(temporary);
      throw error;
    }
  }

  /** Removes the temporary files of writers that were killed before their rename. */
  removeLeftovers(nowMs: number): void {
    const directory = dirname(this.#path);
    const prefix = `${basename(this.#path)}.`;
    for (const name of namesIn(directory)) {
      if (!name.startsWith(prefix) || !/^[a-z0-9]*\.tmp$/.test(name.slice(prefix.length))) continue;
      const path = join(directory, name);
      const stats = lstatSync(path, { throwIfNoEntry: false });
      if (stats?.isFile() && stats.mtimeMs < nowMs - LEFT_OVER_AFTER_MS) removeQuietly(path);
    }
  }

  /**
   * A user who may write to the directory may replace the file. Links to the directory are followed: /tmp is
   * one on macOS. The directories above are not checked: a user who can exchange one of them still needs a
   * private file of this user to put there.
   */
  #checkDirectory(): void {
    const stats = statSync(dirname(this.#path));
    if (!stats.isDirectory()) throw new RefusedFile('is not in a directory');
    const user = process.geteuid?.();
    if (user === undefined) return;
    if (stats.uid !== user && stats.uid !== 0) throw new RefusedFile('is in a directory of another user');
    if ((stats.mode & OTHERS_WRITE) !== 0 && (stats.mode & STICKY) === 0)
      throw new RefusedFile('is in a directory that other users may write to');
  }

  #takePlace(temporary: string): void {
    try {
      this.#rename(temporary, this.#path);
    } catch (error) {
      const code = systemCode(error);
      const isBusy = this.#platform === 'win32' && BUSY_CODES.includes(code);
      throw isBusy ? new BusyFile(code, { cause: error }) : error;
    }
  }
}

function checkFile({ mode, nlink, uid }: Stats): void {
  // 0 if the file has been replaced since it was opened.
  if (nlink > 1) throw new RefusedFile('has more than one name');
  const user = process.geteuid?.();
  if (user === undefined) return;
  if (uid !== user) throw new RefusedFile('belongs to another user');
  if ((mode & ANY_OTHER) !== 0) throw new RefusedFile('can be opened by other users (chmod 600 would do)');
}

/** Includes owner and mode, so that a refused file is read again when they are put right. */
function identityOf({ ino, size, mtimeMs, mode, uid }: Stats): string {
  return `${ino} ${size} ${mtimeMs} ${mode} ${uid}`;
}

function writeText(descriptor: number, text: string): string {
  try {
    writeFileSync(descriptor, text);
    return identityOf(fstatSync(descriptor));
  } finally {
    closeSync(descriptor);
  }
}

/** A directory may be writable but not listable. */
function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Another process may have removed it. If it stays, the next sweep finds it.
  }
}
