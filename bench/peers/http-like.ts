import type { Socket } from 'node:net';

/**
 * A request and response protocol as simple as HTTP without its options: a head that ends with an empty line,
 * a body of known length.
 */
const HEAD_END = '\r\n\r\n';
const BODY_BYTES = 1_024;

/** The service's answer to a path: the path, filled up to 1 KiB. */
export function bodyFor(path: string): string {
  return path.padEnd(BODY_BYTES, '.');
}

/** The service's side of a connection. */
export function serveHttpLike(socket: Socket): void {
  let received = '';
  socket.setEncoding('latin1');
  socket.on('data', (text: string) => {
    received += text;
    for (;;) {
      const end = received.indexOf(HEAD_END);
      if (end === -1) return;
      const path = received.slice(0, end).split(' ')[1] ?? '';
      received = received.slice(end + HEAD_END.length);
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${BODY_BYTES}${HEAD_END}${bodyFor(path)}`, 'latin1');
    }
  });
  socket.on('end', () => socket.end());
}

/** One request; resolves when the whole answer is there and right. */
export function requestHttpLike(socket: Socket, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = '';
    const finish = (error?: Error): void => {
      socket.off('data', onData);
      socket.off('error', finish);
      socket.off('close', onClose);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onClose = (): void => finish(new Error(`the connection closed before the answer to ${path}`));
    const onData = (chunk: Buffer): void => {
      received += chunk.toString('latin1');
      const end = received.indexOf(HEAD_END);
      if (end === -1 || received.length < end + HEAD_END.length + BODY_BYTES) return;
      const body = received.slice(end + HEAD_END.length);
      finish(body === bodyFor(path) ? undefined : new Error(`wrong answer to ${path}`));
    };
    socket.on('data', onData);
    socket.on('error', finish);
    socket.on('close', onClose);
    socket.write(`GET ${path} HTTP/1.1\r\nhost: backend\r\naccept: */*${HEAD_END}`, 'latin1');
  });
}
