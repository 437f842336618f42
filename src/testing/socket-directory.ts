import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { checkEndpoint, PIPE_PREFIX } from '../endpoint.js';
import { ExitHook } from '../exit-hook.js';

/** Temporary directories of running servers: a program that calls `process.exit()` does not stop its servers. */
const temporary = new ExitHook<SocketDirectory>((directory) => directory.remove());

/**
 * The directory for sockets of an embedded server that were given no endpoint. Not used on Windows, where
 * pipes have names of their own.
 */
export class SocketDirectory {
  #path: string | undefined;
  #isOwn = false;
  /**
   * Socket paths must stay below 104 bytes on macOS, whose temporary directory takes half of them: names are
   * short.
   */
  readonly #suffix = randomBytes(4).toString('hex');
  readonly #platform: NodeJS.Platform;

  /**
   * @param directory made with mode 0700 where missing; without one, a directory is made when needed and
   * removed at the end
   */
  constructor(directory: string | undefined, platform: NodeJS.Platform = process.platform) {
    // Clients dial absolute paths only.
    this.#path = directory === undefined ? undefined : resolve(directory);
    this.#platform = platform;
  }

  /**
   * The given endpoint in the form in which clients dial it, its directory made where missing (N-10), or a
   * new one of this server alone.
   *
   * @throws `INVALID_ARGUMENT` for an endpoint that clients refuse
   */
  endpoint(role: 'broker' | 'backend' | 'handoff', given: string | undefined): string {
    if (given !== undefined) {
      const endpoint = checkEndpoint(
        role === 'handoff' ? 'handoffEndpoint' : 'endpoint',
        given,
        this.#platform,
      );
      if (isPath(endpoint, this.#platform)) mkdirSync(dirname(endpoint), { recursive: true, mode: 0o700 });
      return endpoint;
    }
    const name = `${role}-${this.#suffix}`;
    return this.#platform === 'win32'
      ? `${PIPE_PREFIX}broker-pool-${name}`
      : join(this.path(), `${name}.sock`);
  }

  /** The directory's path; it exists when this returns. */
  path(): string {
    if (this.#path === undefined) {
      this.#path = mkdtempSync(resolve(tmpdir(), 'broker-pool-'));
      this.#isOwn = true;
      temporary.add(this);
    } else {
      mkdirSync(this.#path, { recursive: true, mode: 0o700 });
    }
    return this.#path;
  }

  /**
   * The directory's path, for a server process that makes it. Where none was given it gets a new name, and is
   * removed at the end: made here, it would stay behind if this process were killed before the other has
   * begun.
   */
  reserve(): string {
    if (this.#path === undefined) {
      this.#path = resolve(tmpdir(), `broker-pool-${randomBytes(6).toString('base64url')}`);
      this.#isOwn = true;
      temporary.add(this);
    }
    return this.#path;
  }

  /** Removes the directory if it belongs to this server alone. */
  remove(): void {
    temporary.delete(this);
    if (this.#isOwn && this.#path !== undefined) rmSync(this.#path, { recursive: true, force: true });
  }

  /** Whether the directory is removed at the end. */
  get isTemporary(): boolean {
    return this.#isOwn;
  }
}

/** Whether an endpoint is a file, neither a pipe of Windows nor an abstract name of Linux. */
export function isPath(endpoint: string, platform: NodeJS.Platform = process.platform): boolean {
  return platform !== 'win32' && !endpoint.startsWith('\0');
}
