import type { Socket } from 'node:net';

/** The state that every new socket has. */
export interface Made {
  readonly prototype: object;
  readonly names: readonly string[];
  readonly symbols: readonly symbol[];
  /** For how many events Node has listeners of its own. */
  readonly events: unknown;
  readonly readableState: unknown;
  readonly writableState: unknown;
}

/** Notes the state of a socket that no caller has had yet. */
export function lookAt(socket: Socket): Made {
  return {
    prototype: Object.getPrototypeOf(socket),
    names: Object.keys(socket),
    symbols: Object.getOwnPropertySymbols(socket),
    events: Reflect.get(socket, '_eventsCount'),
    readableState: Object.getPrototypeOf(Reflect.get(socket, '_readableState')),
    writableState: Object.getPrototypeOf(Reflect.get(socket, '_writableState')),
  };
}

/** Objects that Node keeps on a socket and that have nothing to do with its handle. */
const HARMLESS_NAMES: ReadonlySet<string | symbol> = new Set(['_peername', '_httpMessage', 'parser']);

/** Whether the socket keeps its state as Node does, and nothing has marked it as taken. */
export function isAsMade(socket: Socket, expected: Made | undefined): boolean {
  if (expected === undefined || !Object.isExtensible(socket) || Object.hasOwn(socket, '_handle'))
    return false;
  if (Object.getPrototypeOf(socket) !== expected.prototype) return false;
  if (Object.getPrototypeOf(Reflect.get(socket, '_readableState')) !== expected.readableState) return false;
  if (Object.getPrototypeOf(Reflect.get(socket, '_writableState')) !== expected.writableState) return false;
  const keys = Object.keys(socket);
  const { names, symbols } = expected;
  for (let index = 0; index < names.length; index += 1) if (keys[index] !== names[index]) return false;
  if (keys.length > names.length && !areHarmless(socket, keys.slice(names.length), expected)) return false;
  // Listing the symbols takes as long as all else here, and a library that marks a socket also listens to it.
  if (Reflect.get(socket, '_eventsCount') === expected.events) return true;
  const marks = Object.getOwnPropertySymbols(socket);
  return (
    symbols.every((symbol, index) => marks[index] === symbol) &&
    areHarmless(socket, marks.slice(symbols.length), expected)
  );
}

/**
 * Functions, and members in place of Node's own, are a caller's; so are plain values under a name. They end
 * with the socket. All else may be a mark, as http2 and other libraries leave one.
 */
function areHarmless(socket: Socket, keys: readonly (string | symbol)[], { prototype }: Made): boolean {
  return keys.every((key) => {
    const value: unknown = Reflect.get(socket, key);
    if (value === undefined || value === null || typeof value === 'function') return true;
    if (key in prototype) return true;
    return typeof value === 'object' ? HARMLESS_NAMES.has(key) : typeof key === 'string';
  });
}
