import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PIPE_PREFIX } from '../validation.js';

/** Where an embedded server puts its sockets. */
export interface PlaceOptions {
  /** The socket's own endpoint. @default a name of its own in `directory` */
  readonly endpoint?: string | undefined;
  /** Made with mode 0700 if missing, and then left behind. @default a new one in the system's temporary directory, removed at the end */
  readonly directory?: string | undefined;
}

/** A directory for sockets, or on Windows a name space for pipes. */
export class Place {
  readonly #directory: string | undefined;
  readonly #isOwn: boolean;
  /** Socket paths must stay below 104 bytes on macOS, whose temporary directory takes half of them: names are short. */
  readonly #suffix = randomBytes(4).toString('hex');

  constructor(directory: string | undefined) {
    if (process.platform === 'win32') {
      this.#isOwn = false;
      return;
    }
    this.#isOwn = directory === undefined;
    if (directory === undefined) {
      this.#directory = mkdtempSync(join(tmpdir(), 'broker-pool-'));
    } else {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      this.#directory = directory;
    }
  }

  /** An endpoint that no other place has. */
  endpoint(role: string): string {
    const name = `${role}-${this.#suffix}`;
    return this.#directory === undefined ? PIPE_PREFIX + `broker-pool-${name}` : join(this.#directory, `${name}.sock`);
  }

  /** Removes the directory if it was made here; fails loudly if a socket was left in it. */
  remove(): void {
    if (this.#isOwn && this.#directory !== undefined) rmdirSync(this.#directory);
  }
}

/** A given endpoint as it is, with the directory it needs (N-10). */
export function givenEndpoint(endpoint: string): string {
  const isPath = process.platform !== 'win32' && !endpoint.startsWith('\0');
  if (isPath) mkdirSync(dirname(endpoint), { recursive: true, mode: 0o700 });
  return endpoint;
}
