import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PIPE_PREFIX } from '../validation.js';

/** Where embedded servers put the sockets that nobody gave an endpoint: a directory, or on Windows nowhere. */
export class Place {
  #directory: string | undefined;
  #isOwn = false;
  /** Socket paths must stay below 104 bytes on macOS, whose temporary directory takes half of them: names are short. */
  readonly #suffix = randomBytes(4).toString('hex');

  /** @param directory made with mode 0700 where missing; without one, a directory is made when needed and removed at the end */
  constructor(directory: string | undefined) {
    this.#directory = directory;
  }

  /** The given endpoint, its directory made sure of (N-10), or one that no other place has. */
  endpoint(role: string, given: string | undefined): string {
    if (given !== undefined) {
      if (isPath(given)) mkdirSync(dirname(given), { recursive: true, mode: 0o700 });
      return given;
    }
    const name = `${role}-${this.#suffix}`;
    return process.platform === 'win32' ? `${PIPE_PREFIX}broker-pool-${name}` : join(this.directory(), `${name}.sock`);
  }

  /** The directory itself, which exists when this returns. */
  directory(): string {
    if (this.#directory === undefined) {
      this.#directory = mkdtempSync(join(tmpdir(), 'broker-pool-'));
      this.#isOwn = true;
    } else {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    }
    return this.#directory;
  }

  /** Removes the directory if it was made here. */
  remove(): void {
    if (this.#isOwn && this.#directory !== undefined) rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Whether an endpoint is a file, neither a pipe of Windows nor an abstract name of Linux. */
export function isPath(endpoint: string): boolean {
  return process.platform !== 'win32' && !endpoint.startsWith('\0');
}
