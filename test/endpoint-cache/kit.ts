import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { systemClock, type Clock } from '../../src/clock.js';
import { EndpointCache } from '../../src/endpoint-cache/endpoint-cache.js';
import { EndpointFile, type EndpointFileWarningCode } from '../../src/endpoint-cache/endpoint-file.js';
import { LONGEST_FILE_BYTES, decodeAnswers, type Answers } from '../../src/endpoint-cache/answers.js';
import { PrivateFile } from '../../src/os/private-file.js';
import { temporaryDirectory } from '../helpers/sanitary.js';

/** What a file holds, and whether it is whole. */
export function contentOf(file: string): { readonly answers: Answers; readonly problem?: string } {
  return decodeAnswers(new PrivateFile(file, LONGEST_FILE_BYTES).read()?.text ?? '');
}

/** Time that stands until it is told to pass. */
export class StillTime {
  nowMs = 1_000_000;
  /** Timers that wait, the delay first asked for. */
  readonly timers = new Map<() => void, number>();
  readonly clock: Clock = {
    now: () => this.nowMs,
    schedule: (delayMs, callback) => {
      const run = (): void => callback();
      this.timers.set(run, delayMs);
      return () => this.timers.delete(run);
    },
    deadline: () => ({ cancel: () => {}, keepAlive: () => {} }),
    afterTurn: (callback) => systemClock.afterTurn(callback),
    random: () => 0.5,
  };
  readonly wallClock = (): number => this.nowMs;

  /** Runs every timer that waits now. */
  ring(): void {
    for (const callback of Array.from(this.timers.keys())) {
      this.timers.delete(callback);
      callback();
    }
  }
}

export interface CacheOptions {
  readonly max?: number;
  readonly ttlMs?: number;
  readonly time?: StillTime;
}

/** A cache over a file, whose changes a test can have written at once. */
export class FileCache extends EndpointCache {
  readonly #file: EndpointFile;

  constructor(limits: { readonly max: number; readonly ttlMs: number }, clock: Clock, file: EndpointFile) {
    super(limits, clock, file);
    this.#file = file;
  }

  flush(): void {
    this.#file.flush();
  }
}

/** A place for a file, and caches over it, each as if in a process of its own. */
export function newPlace(t: ExecutionContext) {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'endpoints.json');
  const warnings: { readonly code: EndpointFileWarningCode; readonly message: string }[] = [];
  const open = ({ max = 256, ttlMs = 0, time = new StillTime() }: CacheOptions = {}): FileCache => {
    const { clock, wallClock } = time;
    const warn = (code: EndpointFileWarningCode, message: string): void =>
      void warnings.push({ code, message });
    const cache = new FileCache({ max, ttlMs }, clock, new EndpointFile(file, max, clock, wallClock, warn));
    t.teardown(() => cache.close());
    return cache;
  };
  return { directory, file, warnings, open };
}
