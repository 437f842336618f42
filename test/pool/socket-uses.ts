/**
 * What a caller can do to a socket: a use for each name that Node's `Socket` has, itself or by inheritance.
 */
import { EventEmitter, once } from 'node:events';
import { Socket, type SocketConstructorOpts } from 'node:net';
import { Duplex, PassThrough, Readable, Stream, Writable } from 'node:stream';
import { MessageChannel } from 'node:worker_threads';

/** Does something to a socket. It may leave whatever it likes on it but an open conversation. */
export type Use = (socket: Socket) => unknown;

const PROTOTYPES = [Socket, Duplex, Readable, Writable, Stream, EventEmitter].map(
  (each): object => each.prototype,
);

/** All names that the running Node knows, symbols by their description, with the key of each. */
export function surface(): Map<string, string | symbol> {
  const keys = [...PROTOTYPES, new Socket()].flatMap((object) => Reflect.ownKeys(object));
  return new Map(keys.map((key) => [String(key), key]));
}

/** Whether the name is a method, which a caller can call and replace. */
export function isMethod(key: string | symbol): boolean {
  return PROTOTYPES.some(
    (prototype) => typeof Object.getOwnPropertyDescriptor(prototype, key)?.value === 'function',
  );
}

/** Sends a word to an echo and reads the answer. */
async function talk(socket: Socket, send: (word: string) => unknown): Promise<void> {
  send('word');
  while (socket.read(4) === null) await once(socket, 'readable');
}

const EVENTS = [
  'close',
  'connect',
  'data',
  'drain',
  'end',
  'error',
  'finish',
  'lookup',
  'pause',
  'pipe',
  'readable',
  'ready',
  'resume',
  'timeout',
  'unpipe',
  'newListener',
  'removeListener',
  'of its own',
] as const;

/** Listens for everything, and reads. */
function listen(add: (event: string, listener: () => void) => unknown): void {
  for (const event of EVENTS) add(event, () => {});
}

/** Begins something that goes on when the lease is over. */
function goesOn(begin: (socket: Socket) => Promise<unknown>): Use {
  return (socket) => void begin(socket).catch(() => {});
}

async function iterate(chunks: AsyncIterable<unknown>): Promise<void> {
  for await (const chunk of chunks) if (chunk === undefined) break;
}

/** Calls a method that not every Node has, or that its types do not show. */
function call(name: string, ...values: readonly unknown[]): Use {
  return (socket) => {
    const key = surface().get(name);
    const method: unknown = key && Reflect.get(socket, key);
    if (typeof method === 'function') return Reflect.apply(method, socket, values);
  };
}

function ignore(): void {}

/** Methods, with what a caller may call them for. */
export const USES: Readonly<Record<string, Use>> = {
  addListener: (socket) => listen((event, listener) => socket.addListener(event, listener)),
  on: (socket) => listen((event, listener) => socket.on(event, listener)),
  once: (socket) => listen((event, listener) => socket.once(event, listener)),
  prependListener: (socket) => listen((event, listener) => socket.prependListener(event, listener)),
  prependOnceListener: (socket) => listen((event, listener) => socket.prependOnceListener(event, listener)),
  off: (socket) => {
    for (const event of EVENTS)
      for (const listener of socket.listeners(event)) socket.off(event, () => listener);
  },
  removeListener: (socket) => {
    for (const listener of socket.rawListeners('end')) call('removeListener', 'end', listener)(socket);
  },
  removeAllListeners: (socket) => socket.removeAllListeners(),
  setMaxListeners: (socket) => socket.setMaxListeners(1),
  emit: (socket) => {
    for (const event of EVENTS) socket.emit(event, new Error('made up'));
  },
  eventNames: (socket) => socket.eventNames(),
  getMaxListeners: (socket) => socket.getMaxListeners(),
  listenerCount: (socket) => socket.listenerCount('data'),
  listeners: (socket) => (socket.listeners('error').length = 0),
  rawListeners: (socket) => (socket.rawListeners('error').length = 0),

  write: (socket) => talk(socket, (word) => socket.write(word)),
  _write: (socket) => talk(socket, (word) => call('_write', word, 'utf8', ignore)(socket)),
  _writev: (socket) =>
    talk(socket, (chunk) => call('_writev', [{ chunk, encoding: 'utf8' }], ignore)(socket)),
  _writeGeneric: (socket) =>
    talk(socket, (word) => call('_writeGeneric', false, word, 'utf8', ignore)(socket)),
  end: (socket) => socket.end(),
  cork: (socket) => socket.cork(),
  uncork: (socket) => socket.uncork(),
  setDefaultEncoding: (socket) => socket.setDefaultEncoding('latin1'),
  _final: (socket) => socket._final(ignore),

  read: (socket) => socket.read(),
  _read: (socket) => socket._read(1),
  push: (socket) => socket.push('made up'),
  unshift: (socket) => socket.unshift('made up'),
  setEncoding: (socket) => socket.setEncoding('utf16le'),
  pause: (socket) => socket.pause(),
  resume: (socket) => socket.resume(),
  isPaused: (socket) => socket.isPaused(),
  pipe: (socket) => {
    socket.pipe(new PassThrough());
    new PassThrough().pipe(socket, { end: false });
  },
  unpipe: (socket) => socket.unpipe(),
  wrap: (socket) => socket.wrap(new PassThrough()),
  compose: goesOn((socket) => iterate(socket.compose(new PassThrough()))),
  iterator: goesOn((socket) => iterate(socket.iterator({ destroyOnReturn: false }))),
  'Symbol(Symbol.asyncIterator)': goesOn((socket) => iterate(socket)),
  'Symbol(Stream.toAsyncStreamable)': call('Symbol(Stream.toAsyncStreamable)'),
  // As `map`, and deprecated with a warning.
  asIndexedPairs: ignore,
  map: (socket) =>
    socket
      .map((chunk: unknown) => chunk)
      .on('data', ignore)
      .on('error', ignore),
  filter: goesOn((socket) => iterate(socket.filter(() => true))),
  flatMap: goesOn((socket) => iterate(socket.flatMap((chunk: unknown) => [chunk]))),
  drop: goesOn((socket) => iterate(socket.drop(1))),
  take: goesOn((socket) => iterate(socket.take(3))),
  forEach: goesOn((socket) => socket.forEach(ignore)),
  every: goesOn((socket) => socket.every(() => true)),
  some: goesOn((socket) => socket.some(() => false)),
  find: goesOn((socket) => socket.find(() => false)),
  reduce: goesOn((socket) => socket.reduce(() => 0, 0)),
  toArray: goesOn((socket) => socket.toArray()),

  // A second connect under way would make Node forget the first.
  connect: (socket) => socket.connecting || socket.on('error', ignore).connect('/not/there'),
  destroy: (socket) => socket.destroy(new Error('made up')),
  destroySoon: (socket) => socket.destroySoon(),
  resetAndDestroy: (socket) => socket.resetAndDestroy(),
  _reset: call('_reset'),
  _destroy: (socket) => socket._destroy(null, ignore),
  _undestroy: call('_undestroy'),
  'Symbol(nodejs.rejection)': call('Symbol(nodejs.rejection)', new Error('made up')),
  'Symbol(nodejs.asyncDispose)': goesOn(async (socket) => await call('Symbol(nodejs.asyncDispose)')(socket)),
  'Symbol(Symbol.asyncDispose)': goesOn(async (socket) => await call('Symbol(Symbol.asyncDispose)')(socket)),
  'Symbol(kReinitializeHandle)': (socket) =>
    call('Symbol(kReinitializeHandle)', Reflect.get(socket, '_handle'))(socket),
  'Symbol(kAfterAsyncWrite)': call('Symbol(kAfterAsyncWrite)'),
  'Symbol(messaging_deserialize_symbol)': call('Symbol(messaging_deserialize_symbol)', {}),
  'Symbol(messaging_transfer_list_symbol)': call('Symbol(messaging_transfer_list_symbol)'),
  'Symbol(messaging_transfer_symbol)': (socket) => {
    const { port1 } = new MessageChannel();
    const post: unknown = Reflect.get(port1, 'postMessage');
    try {
      // Types do not know that a socket can be transferred, nor does every Node.
      if (typeof post === 'function') Reflect.apply(post, port1, [socket, [socket]]);
    } finally {
      port1.close();
    }
  },

  setTimeout: (socket) => socket.setTimeout(1).on('timeout', () => socket.destroy()),
  _onTimeout: call('_onTimeout'),
  _unrefTimer: call('_unrefTimer'),
  setNoDelay: (socket) => socket.setNoDelay(true),
  setKeepAlive: (socket) => socket.setKeepAlive(true, 1),
  setTypeOfService: call('setTypeOfService', 16),
  getTypeOfService: call('getTypeOfService'),
  ref: (socket) => socket.ref(),
  unref: (socket) => socket.unref(),
  address: (socket) => socket.address(),
  _getpeername: call('_getpeername'),
  _getsockname: call('_getsockname'),
  constructor: (socket: object) => socket.constructor.name,
};

/** More ways than names: what callers do with the properties of a socket, and below it. */
export const MORE_USES: Readonly<Record<string, Use>> = {
  nothing: ignore,
  'half-open sockets': (socket) => (socket.allowHalfOpen = true),
  'toWeb, a reader that stays': (socket) => Duplex.toWeb(socket).readable.getReader(),
  'toWeb, a reply that is read': async (socket) => {
    const { readable, writable } = Duplex.toWeb(socket);
    const [reader, writer] = [readable.getReader(), writable.getWriter()];
    await writer.write(Buffer.from('one'));
    await reader.read();
    reader.releaseLock();
  },
  'the handle stops': below((handle) => handle.readStop()),
  'the handle closes': below((handle) => handle.close()),
  'the handle has another reader': below((handle) => (handle.onread = ignore)),
  'the handle is unreferenced': below((handle) => handle.unref()),
  'the handle has another method': below((handle) => (handle.readStart = () => 0)),
  // As libraries wrap a method that an object inherits.
  'the handle has a hidden method': below((handle) =>
    Object.defineProperty(handle, 'writeUtf8String', { value: () => 0 }),
  ),
  'the handle has a hidden reader that stays': below((handle) =>
    Object.defineProperty(handle, 'onread', { value: ignore }),
  ),
  'the handle has another prototype': below((handle) =>
    Object.setPrototypeOf(
      handle,
      Object.create(Object.getPrototypeOf(handle), { writeUtf8String: { value: () => 0 } }),
    ),
  ),
  'the handle has another socket': below((handle) => overHandle(handle)),
  'the handle in a socket that reads': below((handle) => overHandle(handle).on('data', ignore)),
  'another prototype': (socket) => Object.setPrototypeOf(socket, Socket.prototype),
  'a getter that lies': (socket) => Object.defineProperty(socket, 'readableLength', { get: () => 0 }),
  'a symbol of its own': (socket) => Reflect.set(socket, Symbol('kSession'), {}),
  'a property of its own': (socket) => Reflect.set(socket, 'requestId', 7),
  frozen: (socket) => Object.freeze(socket),
  'a frozen handle': below((handle) => Object.freeze(handle)),
};

interface Handle {
  onread: unknown;
  readStart: unknown;
  readStop(): void;
  close(): void;
  unref(): void;
}

function isHandle(value: unknown): value is Handle {
  return typeof value === 'object' && value !== null && 'readStop' in value;
}

function below(change: (handle: Handle) => unknown): Use {
  return (socket) => {
    const handle: unknown = Reflect.get(socket, '_handle');
    return isHandle(handle) ? change(handle) : undefined;
  };
}

function overHandle(handle: Handle): Socket {
  const options: SocketConstructorOpts & { readonly handle: Handle } = { handle };
  return new Socket(options);
}
