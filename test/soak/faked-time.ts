import { nowMs } from './real-time.js';

/**
 * Fakes the timers and clocks of the process, as the fake timers of test runners do: timers never fire,
 * clocks stand still.
 *
 * @returns puts the real ones back
 */
export function fakeTime(): () => void {
  const stoppedAtMs = nowMs();
  const stoppedAt = Date.now();
  const stoppedAtNs = process.hrtime.bigint();
  const restores = [
    ...(['setTimeout', 'setInterval', 'setImmediate'] as const).map((name) =>
      replace(globalThis, name, () => new FakeTimer()),
    ),
    ...(['clearTimeout', 'clearInterval', 'clearImmediate'] as const).map((name) =>
      replace(globalThis, name, () => {}),
    ),
    replace(performance, 'now', () => stoppedAtMs),
    replace(Date, 'now', () => stoppedAt),
    replace(process.hrtime, 'bigint', () => stoppedAtNs),
  ];
  return () => {
    for (const restore of restores) restore();
  };
}

/** A timer that never fires. */
class FakeTimer {
  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }

  refresh(): this {
    return this;
  }
}

/** Puts a function in the place of another; returns what puts the other one back. */
function replace(owner: object, name: string, fake: () => unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(owner, name);
  Object.defineProperty(owner, name, { value: fake, configurable: true, writable: true });
  return () => {
    if (before === undefined) Reflect.deleteProperty(owner, name);
    else Object.defineProperty(owner, name, before);
  };
}
