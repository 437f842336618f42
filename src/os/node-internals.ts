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
  /** @param resource what async hooks shall take for the handle */
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

/**
 * Members of a socket that Node does not document, as they are until a caller puts something else there. Read like any
 * member: by `Reflect.get` each takes ten times as long.
 */
export interface SocketInternals {
  destroyed: boolean;
  /** Has a setter, which its types hide. */
  readableFlowing: boolean | null;
  _handle?: StreamHandle | null;
  readonly parser?: unknown;
  readonly _eventsCount?: unknown;
  readonly _readableState?: unknown;
  readonly _writableState?: unknown;
}
