import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, createServer as createHttpServer, request, type RequestOptions } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2';
import { Socket, type SocketConstructorOpts } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import {
  connect as connectTls,
  createServer as createTlsServer,
  TLSSocket,
  type ConnectionOptions,
} from 'node:tls';
import type { ExecutionContext } from 'ava';
import {
  BrokerPool,
  connectSharedPool,
  type ConnectionToValidate,
  type SharedPool,
} from '../../src/index.js';
import test from '../helpers/sanitary.js';
import { echo, startSystem } from '../helpers/system.js';
import { SHARING, testWhere } from '../helpers/test-where.js';
import { canShare } from '../sharing/kit.js';

const PSK = Buffer.from('0123456789abcdef');
const TLS = { ciphers: 'PSK', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;

/** Speaks what its client does: TLS, http2, HTTP, or it is an echo. */
function polyglot(socket: Socket): void {
  socket.on('error', () => {});
  socket.once('data', (first: Buffer) => {
    socket.pause();
    socket.unshift(first);
    const word = first.toString('latin1', 0, 4);
    if (first[0] === 0x16) tls.emit('connection', socket);
    else if (word === 'PRI ') http2.emit('connection', socket);
    else if (word === 'GET ') http.emit('connection', socket.resume());
    else socket.on('end', () => socket.end()).pipe(socket);
  });
}

const tls = createTlsServer({ ...TLS, pskCallback: () => PSK }, (secure) =>
  secure.on('error', () => {}).pipe(secure),
).on('tlsClientError', () => {});
const http2 = createHttp2Server((_request, response) => response.end('over http2'));
const http = createHttpServer((_request, response) => response.end('over http'));
// The five seconds of the default pass between two requests on a loaded machine.
http.keepAliveTimeout = 0;

function overTls(socket: Socket): TLSSocket {
  // Documented, but missing in the type: the server proves itself by the key alone.
  const options: ConnectionOptions = {
    socket,
    ...TLS,
    checkServerIdentity: () => undefined,
    pskCallback: () => ({ psk: PSK, identity: 'caller' }),
  };
  return connectTls(options).on('error', () => {});
}

async function get(options: RequestOptions): Promise<string> {
  const asking = request({ ...options, headers: { connection: 'keep-alive' } }).end();
  const [response] = await once(asking, 'response');
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return body;
}

/**
 * What takes the handle of a socket over, and may have it still when the lease is over. Each returns how it
 * is used later.
 */
const TAKEOVERS: Readonly<Record<string, (socket: Socket) => Promise<(() => unknown) | void>>> = {
  'TLS, before the first byte': async (socket) => {
    const secure = overTls(socket);
    return () => secure.write('late');
  },
  'TLS, after an answer': async (socket) => {
    const secure = overTls(socket);
    secure.write('word');
    await once(secure, 'data');
    return () => secure.write('late');
  },
  'TLS that has been ended': async (socket) => {
    const secure = overTls(socket);
    secure.write('word');
    await once(secure, 'data');
    secure.end();
  },
  'TLS that has been destroyed': async (socket) => {
    overTls(socket).destroy();
    await turn();
  },
  'TLS as a server': async (socket) => {
    const secure = new TLSSocket(socket, { isServer: true, ...TLS }).on('error', () => {});
    return () => secure.write('late');
  },
  'http2, before the first byte': async (socket) => {
    const session = connectHttp2('http://backend', { createConnection: () => socket }).on('error', () => {});
    return () => session.ping(() => {});
  },
  'http2, after an answer': async (socket) => {
    const session = connectHttp2('http://backend', { createConnection: () => socket }).on('error', () => {});
    const stream = session.request({ ':path': '/' }).resume();
    await once(stream, 'end');
    return () => session.ping(() => {});
  },
  'http2 whose session has been closed': async (socket) => {
    const session = connectHttp2('http://backend', { createConnection: () => socket }).on('error', () => {});
    await once(session, 'connect');
    session.close();
  },
  'an http2 server': async (socket) => void http2.emit('connection', socket),
  'an HTTP server': async (socket) => void http.emit('connection', socket),
  'an HTTP server that gives it up': async (socket) => {
    http.emit('connection', socket);
    socket.removeAllListeners();
    await turn();
  },
  'an HTTP request without its answer': async (socket) => {
    const asking = request({ createConnection: () => socket })
      .on('error', () => {})
      .end();
    await once(asking, 'finish');
  },
  'a child process': async (socket) => {
    const child = spawn(process.execPath, ['--eval', ''], { stdio: [socket, 'ignore', 'ignore'] });
    await once(child, 'exit');
  },
  'another socket': async (socket) => {
    const options: SocketConstructorOpts & { readonly handle: unknown } = {
      handle: Reflect.get(socket, '_handle'),
    };
    const other = new Socket(options).on('error', () => {});
    return () => other.write('late');
  },
};

async function check(t: ExecutionContext, pool: BrokerPool | SharedPool): Promise<void> {
  for (const [title, takeOver] of Object.entries(TAKEOVERS)) {
    const first = await pool.acquire();
    const { connectionId } = first;
    const useLate = await takeOver(first.socket);
    first.release();
    try {
      useLate?.();
    } catch {
      // It may say that its socket is gone.
    }
    const next = await pool.acquire();
    t.not(next.connectionId, connectionId, title);
    t.is(await echo(next.socket, 'word'), 'word', title);
    // Its backend has become an echo.
    next.destroy();
  }
}

const PROTOCOLS: Readonly<Record<string, (socket: Socket) => Promise<string>>> = {
  'HTTP without an agent': (socket) => get({ createConnection: () => socket }),
  'HTTP with an agent that keeps sockets': async (socket) => {
    const agent = new Agent({ keepAlive: true });
    Reflect.set(agent, 'createConnection', () => socket);
    return await get({ agent });
  },
};

test('a connection that TLS, http2, a server, a request, a child or another socket has taken over is closed', async (t) => {
  const { target } = await startSystem(t, { backend: { onConnection: polyglot } });
  const pool = new BrokerPool({ ...target, max: 1 });
  t.teardown(() => pool.destroy());
  await check(t, pool);
});

testWhere(canShare, SHARING)(
  'a connection of a shared pool is closed after the same takeovers',
  async (t) => {
    const { target } = await startSystem(t, { backend: { onConnection: polyglot } });
    const pool = new BrokerPool({ ...target, max: 1 });
    t.teardown(() => pool.destroy());
    const shared = await connectSharedPool(pool.share());
    t.teardown(() => shared.close({ timeoutMs: 0 }));
    await check(t, shared);
  },
);

for (const [title, takeOver] of Object.entries(TAKEOVERS)) {
  test(`a connection that validate leaves to ${title} is closed`, async (t) => {
    const { target } = await startSystem(t, { backend: { onConnection: polyglot } });
    const validate = async ({ socket, isNew }: ConnectionToValidate): Promise<boolean> => {
      if (!isNew) await takeOver(socket);
      return true;
    };
    const pool = new BrokerPool({ ...target, max: 1, validate, validateAfterIdleMs: 0 });
    t.teardown(() => pool.destroy());
    await pool.use(() => {});
    t.is(await pool.use(({ socket }) => echo(socket, 'word')), 'word');
    t.is(pool.stats().created, 2);
  });
}

for (const [title, ask] of Object.entries(PROTOCOLS)) {
  test(`a connection stays after ${title}`, async (t) => {
    const { target } = await startSystem(t, { backend: { onConnection: polyglot } });
    const pool = new BrokerPool({ ...target, max: 1 });
    t.teardown(() => pool.destroy());
    for (let count = 0; count < 3; count += 1) t.is(await pool.use(({ socket }) => ask(socket)), 'over http');
    t.is(pool.stats().created, 1);
  });
}
