import type { Clock } from '../../clock.js';
import { debug } from '../../debug-log.js';
import { ExitHook } from '../../exit-hook.js';
import {
  believable,
  compareAnswers,
  isBelievable,
  mergeAnswers,
  latestAnswer,
  type Answer,
  type Answers,
} from './answers.js';
import { decodeAnswers, encodeAnswers, isStorable } from './format.js';
import { BusyFile, RefusedFile, systemCode, type PrivateFile } from './private-file.js';
import type { EndpointFileWarning, EndpointFileWarningCode } from './warning.js';

export interface EndpointFileOptions {
  readonly path: string;
  readonly storage: Pick<PrivateFile, 'identify' | 'read' | 'replace' | 'removeLeftovers'>;
  /** Answers kept at most. */
  readonly max: number;
  readonly clock: Clock;
  /** Milliseconds since 1970, the same for every process. */
  readonly wallClock: () => number;
  readonly warn: (warning: EndpointFileWarning) => void;
}

/**
 * So long after a write, or half as long again, comes a look whether it is still there, and no write of later
 * changes before that.
 */
const SETTLE_MS = 100;

/**
 * Attempts of one flush. Each attempt but the last met another process that wrote the file, or had it open.
 */
const MOST_ATTEMPTS = 5;

/**
 * Flushes in a row that may fail all their attempts, each one settling time after the other, before the
 * process is warned: about a second.
 */
const MOST_VAIN_FLUSHES = 8;

/** One write in so many looks for what killed writers left. */
const WRITES_PER_SWEEP = 50;

/** Files with changes that may not be on the disk yet. */
const unwritten = new ExitHook<EndpointFile>((file) => file.flush());

/**
 * The answers of brokers that processes share through a file. Read when something is missing and the file has
 * changed; written at the end of the turn that brought a change, at most once in a while, and at the end of
 * the process.
 *
 * There is no lock. A write takes in what others wrote before, and a change counts as own until a look a
 * while later has found it in the file: what another process overwrote at the same moment is written again. A
 * change that is lost all the same, because its process is gone by then, costs the next process one Hello or
 * one failed dial.
 */
export class EndpointFile {
  readonly #options: EndpointFileOptions;
  /** What this process has to say and has not yet seen in the file. */
  readonly #own = new Map<string, Answer>();
  readonly #warned = new Set<string>();
  #disk: Answers = new Map();
  #identity: string | undefined;
  #cancelFlush: (() => void) | undefined;
  #cancelSettling: (() => void) | undefined;
  /** Flushes in a row in which other processes were in the way. */
  #vainFlushes = 0;
  #closed = false;

  constructor(options: EndpointFileOptions) {
    this.#options = options;
  }

  /**
   * The answer that stands, unless it is forgotten. Looks at the file first, and reads it if it has changed.
   */
  find(key: string): Answer | undefined {
    if (this.#closed) return undefined;
    this.#refresh();
    const answer = this.#standing(key);
    return answer?.forgotten === true ? undefined : answer;
  }

  /** The broker's answer, newer than all that is known here. */
  remember(key: string, endpoint: string): void {
    if (!isStorable(key, endpoint)) return;
    const known = this.#standing(key);
    // Not before what it replaces: the clock is coarse, and may have been set back.
    const atMs = Math.max(Math.floor(this.#options.wallClock()), known === undefined ? 0 : known.atMs + 1);
    this.#change(key, { endpoint, atMs, forgotten: false });
  }

  /**
   * Forgets the answer that is known here, if it names `endpoint`. One that is newer and not known here
   * stays.
   */
  forget(key: string, endpoint: string): void {
    const known = this.#standing(key);
    if (known?.endpoint === endpoint && !known.forgotten) this.#change(key, { ...known, forgotten: true });
  }

  /** Forgets whatever is known, in the file too. */
  forgetAny(key: string): void {
    const known = this.find(key);
    if (known !== undefined) this.forget(key, known.endpoint);
  }

  /** Forgets what is known under the keys that belong to somebody. */
  forgetAll(belongs: (key: string) => boolean): void {
    if (this.#closed) return;
    this.#refresh();
    const keys = new Set([...this.#disk.keys(), ...this.#own.keys()]);
    for (const key of keys) if (belongs(key)) this.forgetAny(key);
  }

  /**
   * Writes what is not in the file yet. Synchronous, never throws for what the file system does, and costs
   * one look if all is there.
   */
  flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    let obstacle = '';
    for (let attempt = 0; attempt < MOST_ATTEMPTS && !this.#closed; attempt++) {
      if (this.#own.size === 0 || !this.#refresh() || this.#allThere()) return;
      const result = this.#write();
      if (result === 'failed') return;
      if (result === 'written') {
        this.#vainFlushes = 0;
        return this.#settleLater();
      }
      obstacle = result.obstacle;
    }
    if (!this.#closed) this.#onVainFlush(obstacle);
  }

  /** Writes what is left to write; from now on the file is left alone. Idempotent. */
  close(): void {
    this.flush();
    this.#closed = true;
    this.#cancelSettling?.();
    unwritten.delete(this);
  }

  #standing(key: string): Answer | undefined {
    return latestAnswer([this.#disk.get(key), this.#own.get(key)], this.#options.wallClock());
  }

  #change(key: string, answer: Answer): void {
    if (this.#closed) return;
    // The newest last: while the file cannot be used, what it would drop first must not pile up here.
    this.#own.delete(key);
    this.#own.set(key, answer);
    this.#dropOldest();
    unwritten.add(this);
    // While a write settles, changes gather for the next.
    if (this.#cancelSettling === undefined)
      this.#cancelFlush ??= this.#options.clock.afterTurn(() => this.flush());
  }

  #dropOldest(): void {
    const [oldest] = this.#own.keys();
    if (oldest !== undefined && this.#own.size > this.#options.max) this.#own.delete(oldest);
  }

  /** Reads the file if it is another one than last time. False: it must not or cannot be used. */
  #refresh(): boolean {
    const { storage } = this.#options;
    return (
      this.#guard('ENDPOINT_FILE_UNREADABLE', () => {
        if (storage.identify() === this.#identity) return true;
        const content = storage.read();
        const { answers, problem } = decodeAnswers(content?.text ?? '');
        if (problem === 'version') {
          this.#warn('ENDPOINT_FILE_VERSION', 'is not used, because a newer release wrote it');
          return false;
        }
        if (problem === 'corrupt')
          this.#warn('ENDPOINT_FILE_CORRUPT', 'is damaged; what cannot be read is left out');
        this.#disk = answers;
        this.#identity = content?.identity;
        return true;
      }) ?? false
    );
  }

  /** Whether the file has an own change, or something newer. */
  #isThere(key: string, answer: Answer, nowMs: number): boolean {
    const there = this.#disk.get(key);
    return there !== undefined && isBelievable(there, nowMs) && compareAnswers(there, answer) >= 0;
  }

  #allThere(): boolean {
    const nowMs = this.#options.wallClock();
    for (const [key, answer] of this.#own) if (!this.#isThere(key, answer, nowMs)) return false;
    return true;
  }

  /** `obstacle`: what another process did that kept this write from its place. */
  #write(): 'written' | 'failed' | { readonly obstacle: string } {
    const { storage, wallClock, clock, max } = this.#options;
    const nowMs = wallClock();
    const { text, kept } = encodeAnswers(mergeAnswers(believable(this.#disk, nowMs), this.#own), max);
    // What is too old to be kept would be tried again for ever, and grow without a bound while the file
    // cannot be written.
    for (const key of this.#own.keys()) if (!kept.has(key)) this.#own.delete(key);
    return (
      this.#guard('ENDPOINT_FILE_UNWRITABLE', () => {
        const identity = this.#replace(text);
        if (typeof identity !== 'string') return identity;
        this.#identity = identity;
        this.#disk = kept;
        if (clock.random() < 1 / WRITES_PER_SWEEP) storage.removeLeftovers(nowMs);
        return 'written';
      }) ?? 'failed'
    );
  }

  /** The new identity of the file, or the obstacle. */
  #replace(text: string): string | { readonly obstacle: string } {
    try {
      return (
        this.#options.storage.replace(text, this.#identity) ?? {
          obstacle: 'other processes replace it all the time',
        }
      );
    } catch (error) {
      if (error instanceof BusyFile) return { obstacle: error.message };
      throw error;
    }
  }

  /**
   * A program that has the file open closes it in a moment. Where the attempts fail for a second, the process
   * is warned.
   */
  #onVainFlush(obstacle: string): void {
    this.#vainFlushes += 1;
    if (this.#vainFlushes < MOST_VAIN_FLUSHES) return this.#settleLater();
    this.#vainFlushes = 0;
    this.#warn('ENDPOINT_FILE_UNWRITABLE', `cannot be written (${obstacle})`);
  }

  #settleLater(): void {
    const { clock } = this.#options;
    this.#cancelSettling?.();
    // Not all at the same moment, or processes that overwrote each other once would do so again.
    this.#cancelSettling = clock.schedule(SETTLE_MS * (1 + clock.random() / 2), () => this.#settle());
  }

  /**
   * What is in the file after so long stays there: a writer that looked before ours has renamed by now. What
   * is not is written again.
   */
  #settle(): void {
    this.#cancelSettling = undefined;
    if (!this.#refresh()) return;
    const nowMs = this.#options.wallClock();
    for (const [key, answer] of this.#own) {
      if (this.#isThere(key, answer, nowMs) || !isBelievable(answer, nowMs)) this.#own.delete(key);
    }
    if (this.#own.size === 0) unwritten.delete(this);
    else this.flush();
  }

  /**
   * Runs what may fail for a reason outside of the program; `undefined` if it did, and then somebody was
   * told.
   */
  #guard<T>(code: EndpointFileWarningCode, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      const system = systemCode(error);
      if (error instanceof RefusedFile)
        this.#warn('ENDPOINT_FILE_REFUSED', `is not used, because it ${error.message}`);
      else if (system !== undefined)
        this.#warn(code, `cannot be ${code === 'ENDPOINT_FILE_UNREADABLE' ? 'read' : 'written'} (${system})`);
      else throw error;
      return undefined;
    }
  }

  #warn(code: EndpointFileWarningCode, problem: string): void {
    const { path, warn } = this.#options;
    const message = `the endpoint cache ${JSON.stringify(path)} ${problem}`;
    debug(() => `${code}: ${message}`);
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    warn({ code, message, file: path });
  }
}
