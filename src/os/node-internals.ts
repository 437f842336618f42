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
export interface HandleMethods {
  readonly readStart?: unknown;
  readonly readStop?: unknown;
  readonly writeBuffer?: unknown;
  readonly writev?: unknown;
  readonly writeUtf8String?: unknown;
  readonly writeLatin1String?: unknown;
  readonly writeAsciiString?: unknown;
  readonly writeUcs2String?: unknown;
  readonly shutdown?: unknown;
  readonly close?: unknown;
  readonly ref?: unknown;
  readonly unref?: unknown;
  readonly getAsyncId?: unknown;
  readonly asyncReset?: unknown;
}

/**
 * Members of a socket that Node does not document, as they are until a caller puts something else there. Read like any
 * member: by `Reflect.get` each takes ten times as long.
 */
export interface SocketInternals {
  destroyed: boolean;
  _handle?: StreamHandle | null;
  readonly parser?: unknown;
  readonly _eventsCount?: unknown;
  readonly _readableState?: unknown;
  readonly _writableState?: unknown;
}
