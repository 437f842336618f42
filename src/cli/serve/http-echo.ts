import { createServer, type Server } from 'node:http';
import { systemClock } from '../../clock.js';

/** A server that answers with the body of the request, or where it has none with method and path. */
export function httpEcho(delayMs: number): Server {
  return createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.once('end', () => {
      const body = chunks.length > 0 ? Buffer.concat(chunks) : `${request.method} ${request.url}\n`;
      systemClock.schedule(delayMs, () => response.end(body));
    });
  });
}
