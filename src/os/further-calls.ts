import { DARWIN, LINUX, type SocketNumbers } from './abi.js';
import { loadNative, type Binder, type SystemCalls } from './native.js';

/** The means to bind calls beyond the connect path. */
export interface Bindings extends Binder {
  readonly system: SystemCalls;
  readonly platform: 'linux' | 'darwin';
  readonly numbers: SocketNumbers;
}

/**
 * A function that binds calls when it is first called. It returns `undefined` where the C library cannot be
 * reached, or the platform's numbers are not known here.
 */
export function boundOnce<Calls>(bind: (bindings: Bindings) => Calls): () => Calls | undefined {
  let bound: Calls | undefined;
  return () => {
    const { platform } = process;
    const native = loadNative();
    if ((platform !== 'linux' && platform !== 'darwin') || native?.binder === undefined) return undefined;
    const { binder, system } = native;
    const numbers = platform === 'linux' ? LINUX : DARWIN;
    return (bound ??= bind({ ...binder, system, platform, numbers }));
  };
}
