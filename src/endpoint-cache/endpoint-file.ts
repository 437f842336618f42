import { outOfContext } from '../async-context.js';
import { wallNowMs, type Clock } from '../clock.js';
import { debug } from '../debug-log.js';
import { ExitHook } from '../exit-hook.js';
import { systemCode } from '../os/errno.js';
import { BusyFile, PrivateFile } from '../os/private-file.js';
import { RefusedFile } from '../os/short-file.js';
import { warnProcess } from '../process-warning.js';
import type { EndpointCacheOptions } from './options.js';
import type { EndpointStore } from './store.js';
import {
  compareAnswers,
  decodeAnswers,
  encodeAnswers,
  isBelievable,
  isStorable,
  LONGEST_FILE_BYTES,
  mergeAnswers,
  type Answer,
  type Answers,
} from './answers.js';

/** Why the file is not used as it should be; docs/endpoint-cache.md explains each. Never an error. */
export type EndpointFileWarningCode =
  | 'ENDPOINT_FILE_CORRUPT'
  | 'ENDPOINT_FILE_REFUSED'
  | 'ENDPOINT_FILE_UNREADABLE'
  | 'ENDPOINT_FILE_UNWRITABLE'
  | 'ENDPOINT_FILE_VERSION';

export function openEndpointFile(
  { file, max }: EndpointCacheOptions,
  clock: Clock,
): EndpointStore | undefined {
  return file === undefined ? undefined : new EndpointFile(file, max, clock);
}

/**
 * How long after a write, or up to half as long again, the file is read to see whether the write is still
 * there. Until then changes gather for the next write.
 */
const SETTLE_MS = 100;

/** Attempts of one flush: each fails because another process has just replaced the file, or has it open. */
const MOST_ATTEMPTS = 5;

/** Flushes in a row that may fail all their attempts before the process is warned: about a second. */
const MOST_VAIN_FLUSHES = 8;

/** One write in this many looks for the temporary files of killed writers. */
const WRITES_PER_SWEEP = 50;

type Storage = Pick<PrivateFile, 'identify' | 'read' | 'replace' | 'removeLeftovers'>;

function warnOutOfContext(code: EndpointFileWarningCode, message: string): void {
  outOfContext(() => warnProcess(code, message));
}

/** Files with changes that may not be on the disk yet. */
const unwritten = new ExitHook<EndpointFile>((file) => file.flush());

/**
 * Broker answers that processes share through a file. A miss reads the file if it has changed; a change is
 * written at the end of its turn, at most once in {@link SETTLE_MS}, and at the end of the process.
 *
 * There is no lock. A write takes in the answers of other processes, and a change counts as own until a later
 * look finds it in the file: if another process has overwritten it meanwhile, it is written again. A change
 * that is lost because its process has ended by then costs the next process one Hello or one failed dial.
 */
export class EndpointFile implements EndpointStore {
  readonly #path: string;
  readonly #max: number;
  readonly #clock: Clock;
  readonly #wallClock: () => number;
  readonly #warnUser: (code: EndpointFileWarningCode, message: string) => void;
  readonly #storage: Storage;
  /** Changes of this process that have not yet been seen in the file. */
  readonly #own = new Map<string, Answer>();
  readonly #warned = new Set<string>();
  #disk: Answers = new Map();
  #identity: string | undefined;
  #cancelFlush: (() => void) | undefined;
  #cancelSettling: (() => void) | undefined;
  #vainFlushes = 0;
  #closed = false;

  /**
   * @param max answers kept at most
   * @param wallClock milliseconds since 1970, the same for every process
   * @param warn gets each problem once; the message names the file, never its content
   */
  constructor(
    path: string,
    max: number,
    clock: Clock,
    wallClock = wallNowMs,
    warn = warnOutOfContext,
    storage: Storage = new PrivateFile(path, LONGEST_FILE_BYTES),
  ) {
    this.#path = path;
    this.#max = max;
    this.#clock = clock;
    this.#wallClock = wallClock;
    this.#warnUser = warn;
    this.#storage = storage;
  }

  get(key: string): { readonly endpoint: string; readonly ageMs: number } | undefined {
    if (this.#closed) return undefined;
    this.#refresh();
    const answer = this.#latest(key);
    if (answer === undefined || answer.forgotten) return undefined;
    return { endpoint: answer.endpoint, ageMs: this.#wallClock() - answer.atMs };
  }

  set(key: string, endpoint: string): void {
    if (!isStorable(key, endpoint)) return;
    const known = this.#latest(key);
    // Later than the answer that it replaces: the clock is coarse, and may have been set back.
    const atMs = Math.max(Math.floor(this.#wallClock()), known === undefined ? 0 : known.atMs + 1);
    this.#change(key, { endpoint, atMs, forgotten: false });
  }

  forget(key: string, endpoint = this.get(key)?.endpoint): void {
    const known = this.#latest(key);
    if (known !== undefined && known.endpoint === endpoint && !known.forgotten)
      this.#change(key, { ...known, forgotten: true });
  }

  forgetAll(belongs: (key: string) => boolean): void {
    if (this.#closed) return;
    this.#refresh();
    const keys = new Set([...this.#disk.keys(), ...this.#own.keys()]);
    for (const key of keys) if (belongs(key)) this.forget(key);
  }

  /** Writes all changes that are not in the file yet. Synchronous; never throws for a system error. */
  flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    let obstacle = '';
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      if (this.#closed || this.#own.size === 0 || !this.#refresh() || this.#allThere()) return;
      try {
        if (!this.#write()) return;
        this.#vainFlushes = 0;
        return this.#settleLater();
      } catch (error) {
        if (!(error instanceof BusyFile)) throw error;
        obstacle = error.message;
      }
    }
    this.#vainFlushes += 1;
    if (this.#vainFlushes < MOST_VAIN_FLUSHES) return this.#settleLater();
    this.#vainFlushes = 0;
    this.#warn('ENDPOINT_FILE_UNWRITABLE', `cannot be written (${obstacle})`);
  }

  close(): void {
    this.flush();
    this.#closed = true;
    this.#cancelSettling?.();
    unwritten.delete(this);
  }

  #latest(key: string): Answer | undefined {
    const nowMs = this.#wallClock();
    let latest: Answer | undefined;
    for (const answer of [this.#disk.get(key), this.#own.get(key)]) {
      if (answer === undefined || !isBelievable(answer, nowMs)) continue;
      if (latest === undefined || compareAnswers(answer, latest) > 0) latest = answer;
    }
    return latest;
  }

  #change(key: string, answer: Answer): void {
    if (this.#closed) return;
    // The newest last. While the file cannot be used, the oldest must go, or they would pile up here.
    this.#own.delete(key);
    this.#own.set(key, answer);
    const [oldest = key] = this.#own.keys();
    if (this.#own.size > this.#max) this.#own.delete(oldest);
    unwritten.add(this);
    if (this.#cancelSettling === undefined) this.#cancelFlush ??= this.#clock.afterTurn(() => this.flush());
  }

  /** Reads the file if it has changed. Returns false if it must not or cannot be used. */
  #refresh(): boolean {
    return this.#guard('ENDPOINT_FILE_UNREADABLE', 'read', () => {
      if (this.#storage.identify() === this.#identity) return true;
      const content = this.#storage.read();
      const { answers, problem } = decodeAnswers(content?.text ?? '');
      if (problem === 'version') {
        this.#warn('ENDPOINT_FILE_VERSION', 'is not used, because a newer release wrote it');
        return false;
      }
      if (problem === 'corrupt')
        this.#warn('ENDPOINT_FILE_CORRUPT', 'is damaged; its unreadable entries are left out');
      this.#disk = answers;
      this.#identity = content?.identity;
      return true;
    });
  }

  /** Whether the file has this change, or a newer answer. */
  #isThere(key: string, answer: Answer, nowMs: number): boolean {
    const there = this.#disk.get(key);
    return there !== undefined && isBelievable(there, nowMs) && compareAnswers(there, answer) >= 0;
  }

  #allThere(): boolean {
    const nowMs = this.#wallClock();
    for (const [key, answer] of this.#own) if (!this.#isThere(key, answer, nowMs)) return false;
    return true;
  }

  /**
   * Returns whether the file is written; if not, it is no use to try again.
   *
   * @throws {BusyFile} if another process is in the way
   */
  #write(): boolean {
    const nowMs = this.#wallClock();
    const { text, kept } = encodeAnswers(mergeAnswers(this.#disk, this.#own, nowMs), this.#max);
    // Changes too old to be kept would be written again for ever.
    for (const key of this.#own.keys()) if (!kept.has(key)) this.#own.delete(key);
    return this.#guard('ENDPOINT_FILE_UNWRITABLE', 'written', () => {
      this.#identity = this.#storage.replace(text, this.#identity);
      this.#disk = kept;
      if (this.#clock.random() < 1 / WRITES_PER_SWEEP) this.#storage.removeLeftovers(nowMs);
      return true;
    });
  }

  #settleLater(): void {
    this.#cancelSettling?.();
    // At random moments, or processes that have overwritten each other once would do so again.
    const delayMs = SETTLE_MS * (1 + this.#clock.random() / 2);
    this.#cancelSettling = this.#clock.schedule(delayMs, () => this.#settle());
  }

  /** Drops the changes that the file has. Any writer that looked before our rename has renamed by now. */
  #settle(): void {
    this.#cancelSettling = undefined;
    if (!this.#refresh()) return;
    const nowMs = this.#wallClock();
    for (const [key, answer] of this.#own) {
      if (this.#isThere(key, answer, nowMs) || !isBelievable(answer, nowMs)) this.#own.delete(key);
    }
    if (this.#own.size === 0) unwritten.delete(this);
    else this.flush();
  }

  /** Runs a file operation. Returns false, after a warning, if the file is refused or the system fails it. */
  #guard(code: EndpointFileWarningCode, done: 'read' | 'written', operation: () => boolean): boolean {
    try {
      return operation();
    } catch (error) {
      const system = systemCode(error);
      if (error instanceof RefusedFile)
        this.#warn('ENDPOINT_FILE_REFUSED', `is not used, because it ${error.message}`);
      else if (system !== undefined) this.#warn(code, `cannot be ${done} (${system})`);
      else throw error;
      return false;
    }
  }

  #warn(code: EndpointFileWarningCode, problem: string): void {
    const message = `the endpoint cache ${JSON.stringify(this.#path)} ${problem}`;
    debug(() => `${code}: ${message}`);
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    this.#warnUser(code, message);
  }
}
