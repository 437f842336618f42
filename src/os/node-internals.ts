import { Socket } from 'node:net';

/**
 * The members of the handle behind a `net.Socket` that this package uses. Node documents none of them; they have
 * been there, unchanged, since Node 4.
 */
export interface StreamHandle {
  readonly fd: number;
  reading: boolean;
  readStart(): number;
  readStop(): void;
  close(): void;
  /** Reads into a buffer from here on. */
  useUserBuffer?(buffer: Uint8Array): unknown;
  /** @param resource the object that async hooks take for the handle */
  asyncReset?(resource: object): void;
}

/** The methods of a handle that a socket calls. */
type HandleMethod =
  | `read${'Start' | 'Stop'}`
  | `write${'Buffer' | 'v' | 'Utf8String' | 'Latin1String' | 'AsciiString' | 'Ucs2String'}`
  | 'shutdown'
  | 'close'
  | 'ref'
  | 'unref'
  | 'getAsyncId'
  | 'asyncReset';
export type HandleMethods = { readonly [name in HandleMethod]?: unknown };

/** Where a socket keeps its listeners, by event. */
interface Listeners {
  readonly data?: unknown;
  readonly readable?: unknown;
  readonly resume?: unknown;
}

/**
 * Members of a socket that Node does not document, as they are until a caller puts something else there. Read like any
 * member: by `Reflect.get` each takes ten times as long.
 */
export interface SocketInternals {
  // These two have setters, which their types hide.
  destroyed: boolean;
  readableFlowing: boolean | null;
  _handle?: StreamHandle | null;
  readonly parser?: unknown;
  readonly _events?: Listeners | undefined;
  readonly _eventsCount?: unknown;
  readonly _readableState?: unknown;
  readonly _writableState?: unknown;
}

/** The symbol under which a socket keeps its handle; `undefined` where Node keeps it in another way. */
export function learnHandleSymbol(): symbol | undefined {
  const socket = new Socket();
  const mark = {};
  Reflect.set(socket, '_handle', mark);
  return Object.getOwnPropertySymbols(socket).find((symbol) => Reflect.get(socket, symbol) === mark);
}

/** Takes the handle from a socket: it looks destroyed, its listeners hear nothing, the handle stays open. */
export function neuter(socket: Socket): void {
  try {
    if (socket.timeout) Socket.prototype.setTimeout.call(socket, 0);
  } catch {
    // A caller's member throws. Its timer stays, and can do no harm.
  }
  const internals: SocketInternals = socket;
  internals._handle = null;
  internals.destroyed = true;
}
