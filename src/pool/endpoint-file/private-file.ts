import { isUtf8 } from 'node:buffer';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  readdirSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
  type Stats,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * A file, or the directory of one, that may be somebody else's work. The message says why, and goes behind
 * "because it ".
 */
export class RefusedFile extends Error {}

/**
 * Another program has the file open, and so Windows does not let it be replaced. The message is the system's
 * code.
 */
export class BusyFile extends Error {}

/** Parts that tests put in place of the real ones. */
export interface PrivateFileParts {
  readonly rename: (from: string, to: string) => void;
  readonly platform: NodeJS.Platform;
}

const REAL_PARTS: PrivateFileParts = { rename: renameSync, platform: process.platform };
const BUSY_CODES: readonly (string | undefined)[] = ['EACCES', 'EBUSY', 'EPERM'];

/**
 * Windows lacks the last two, which then count as 0: links need a privilege there, and pipes have a name
 * space of their own.
 */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
const PRIVATE_MODE = 0o600;
const ANY_OTHER = 0o077;
const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/** A writer needs less than a millisecond between making its temporary file and renaming it. */
const LEFT_OVER_AFTER_MS = 60_000;

/**
 * A small file of this user alone, replaced as a whole. Whoever reads sees an old or a new content, never
 * half of one, without any lock: one would be left behind by a process that is killed.
 *
 * Every call is synchronous, and throws `RefusedFile`, `BusyFile` or the system's error.
 */
export class PrivateFile {
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #parts: PrivateFileParts;

  constructor(path: string, maxBytes: number, parts = REAL_PARTS) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#parts = parts;
  }

  /** Changes whenever the file is replaced; `undefined` while there is none. One system call. */
  identify(): string | undefined {
    const stats = lstatSync(this.#path, { throwIfNoEntry: false });
    return stats && identityOf(stats);
  }

  /**
   * What the file holds; `undefined` if there is none. A link is not followed, a FIFO does not block, and
   * everything is checked on the open descriptor: a look at the name says nothing about what is opened a
   * moment later.
   */
  read(): { readonly text: string; readonly identity: string } | undefined {
    this.#checkDirectory();
    const descriptor = this.#open();
    if (descriptor === undefined) return undefined;
    try {
      const stats = fstatSync(descriptor);
      this.#checkFile(stats);
      return { text: readText(descriptor, stats.size), identity: identityOf(stats) };
    } finally {
      closeSync(descriptor);
    }
  }

  /**
   * Replaces the file, unless it is no longer the one named by `expected`; returns the new identity, or
   * `undefined` if somebody else was faster. Between that look and the rename another writer can still slip
   * in, and its content is lost: see `EndpointFile`.
   *
   * Not synced to the disk: after a power failure every endpoint is gone anyway, and the sync would cost more
   * than all the Hellos saved.
   */
  replace(text: string, expected: string | undefined): string | undefined {
    this.#checkDirectory();
    const temporary = `${this.#path}.${Math.random().toString(36).slice(2)}.tmp`;
    // O_EXCL makes it ours: it neither follows a link nor opens what somebody put there.
    const descriptor = openSync(temporary, CREATE_FLAGS, PRIVATE_MODE);
    try {
      const identity = writeText(descriptor, text);
      if (this.identify() === expected) {
        this.#rename(temporary);
        return identity;
      }
    } catch (error) {
      removeQuietly(temporary);
      throw error;
    }
    removeQuietly(temporary);
    return undefined;
  }

  /** Removes what writers left behind that were killed before they could rename. */
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

  #open(): number | undefined {
    try {
      return openSync(this.#path, READ_FLAGS);
    } catch (error) {
      const code = systemCode(error);
      if (code === 'ENOENT') return undefined;
      // EMLINK is FreeBSD's ELOOP; a socket cannot be opened at all.
      if (code === 'ELOOP' || code === 'EMLINK') throw new RefusedFile('is a symbolic link');
      if (code === 'ENXIO') throw new RefusedFile('is not a regular file');
      throw error;
    }
  }

  #checkFile(stats: Stats): void {
    if (!stats.isFile()) throw new RefusedFile('is not a regular file');
    // None at all is one that was replaced since it was opened.
    if (stats.nlink > 1) throw new RefusedFile('has more than one name');
    if (stats.size > this.#maxBytes) throw new RefusedFile(`is longer than ${this.#maxBytes} bytes`);
    const user = process.geteuid?.();
    if (user === undefined) return;
    if (stats.uid !== user) throw new RefusedFile('belongs to another user');
    if ((stats.mode & ANY_OTHER) !== 0)
      throw new RefusedFile('can be opened by other users (chmod 600 would do)');
  }

  /**
   * Who may write to the directory may replace the file. Links on the way to it are followed, for /tmp is one
   * on macOS, and nothing above it is looked at: whoever could exchange it for another still needs a file of
   * this user's there.
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

  /**
   * Windows gives these codes while another program has the file open, and also where this user may never
   * replace it.
   */
  #rename(temporary: string): void {
    const { rename, platform } = this.#parts;
    try {
      rename(temporary, this.#path);
    } catch (error) {
      const code = systemCode(error);
      throw platform === 'win32' && BUSY_CODES.includes(code) ? new BusyFile(code, { cause: error }) : error;
    }
  }
}

/** The code of a system's error; `undefined` for any other, which is a mistake in the program. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'syscall' in error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}

/** Owner and mode belong to it, so that a file is looked at again when they are put right. */
function identityOf({ ino, size, mtimeMs, mode, uid }: Stats): string {
  return `${ino} ${size} ${mtimeMs} ${mode} ${uid}`;
}

function readText(descriptor: number, size: number): string {
  const bytes = Buffer.alloc(size);
  let length = 0;
  while (length < size) {
    const count = readSync(descriptor, bytes, length, size - length, null);
    if (count === 0) break;
    length += count;
  }
  const content = bytes.subarray(0, length);
  // What is not text is not JSON either; decoding it would put other letters into the names.
  return isUtf8(content) ? content.toString() : '\0';
}

function writeText(descriptor: number, text: string): string {
  try {
    writeFileSync(descriptor, text);
    return identityOf(fstatSync(descriptor));
  } finally {
    closeSync(descriptor);
  }
}

/** A directory may be one to write to and not to list. */
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
    // Somebody else may have removed it; if it stays, the next sweep finds it.
  }
}
