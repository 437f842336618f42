import koffi from 'koffi';

/** The struct that glibc's mallinfo2 returns. Only the bytes in use are read. */
interface AllocatorState {
  readonly uordblks: number;
}

/**
 * Bytes that native code holds, such as the handles below the sockets, where the C library tells (glibc
 * 2.33); else `undefined`. V8's heap is not among them.
 */
export function nativeBytes(): number | undefined {
  try {
    return allocatorState().uordblks;
  } catch {
    return undefined;
  }
}

let query: (() => AllocatorState) | undefined;

function allocatorState(): AllocatorState {
  query ??= findQuery();
  return query();
}

function findQuery(): () => AllocatorState {
  const fields = [
    'arena',
    'ordblks',
    'smblks',
    'hblks',
    'hblkhd',
    'usmblks',
    'fsmblks',
    'uordblks',
    'fordblks',
    'keepcost',
  ];
  const state = koffi.struct('mallinfo2', Object.fromEntries(fields.map((name) => [name, 'size_t'])));
  return koffi.load('libc.so.6').func('mallinfo2', state, []);
}
