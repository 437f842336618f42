import { once } from 'node:events';
import {
  createServer,
  request,
  type IncomingMessage,
  type RequestListener,
  type RequestOptions,
} from 'node:http';
import type { Server } from 'node:http';
import { text } from 'node:stream/consumers';

/**
 * A backend that answers with the request's method, path and body, unless it is told otherwise. It keeps connections,
 * however long a busy machine takes from one request to the next: Node's own server closes them after five seconds.
 */
export function httpServer(listener: RequestListener = answerInKind): Server {
  return createServer({ keepAliveTimeout: 0 }, listener);
}

export const answerInKind: RequestListener = (asked, response) => {
  void text(asked).then((body) => response.end(`${asked.method} ${asked.url} ${body}`.trimEnd()));
};

/** Sends a request and reads its answer. */
export async function ask(options: RequestOptions, body?: string): Promise<string> {
  return await text(await responseTo(options, body));
}

/** Sends a request and waits for the head of its answer. */
export async function responseTo(options: RequestOptions, body?: string): Promise<IncomingMessage> {
  const asking = request({ host: 'backend', path: '/', ...options }).end(body);
  const [response]: IncomingMessage[] = await once(asking, 'response');
  if (response === undefined) throw new Error('no response');
  return response;
}
