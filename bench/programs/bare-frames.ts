/**
 * Answers each request with its own bytes and the kind RESPONSE, and checks nothing: as little as a Node process
 * can do. Goes on until its standard input ends.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { FRAME_HEADER_BYTES } from '../../src/wire/frame.js';

/** Where it listens. */
export interface BareFramesReady {
  readonly endpoint: string;
}

/** Bytes of field 1 at the start of each body, which clients write as version 1. */
const VERSION_BYTES = 2;
/** Field 2, kind RESPONSE. */
const KIND = Buffer.of(0x10, 0x01);

function answerTo(request: Buffer): Buffer {
  const answer = Buffer.allocUnsafe(request.length + KIND.length);
  const kindStart = FRAME_HEADER_BYTES + VERSION_BYTES;
  request.copy(answer, 0, 0, kindStart);
  answer.writeUInt32LE(answer.length - FRAME_HEADER_BYTES, 1);
  KIND.copy(answer, kindStart);
  request.copy(answer, kindStart + KIND.length, kindStart);
  return answer;
}

const directory = mkdtempSync(join(tmpdir(), 'bpq-'));
const endpoint = join(directory, 'bare.sock');
const server = createServer((socket) => {
  let held: Buffer = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    const answers: Buffer[] = [];
    while (held.length >= FRAME_HEADER_BYTES) {
      const end = FRAME_HEADER_BYTES + held.readUInt32LE(1);
      if (held.length < end) break;
      answers.push(answerTo(held.subarray(0, end)));
      held = held.subarray(end);
    }
    const [only] = answers;
    socket.write(answers.length === 1 && only !== undefined ? only : Buffer.concat(answers));
  });
});
server.listen(endpoint);
await once(server, 'listening');
const ready: BareFramesReady = { endpoint };
process.stdout.write(`${JSON.stringify(ready)}\n`);
await once(createInterface({ input: process.stdin }), 'close');
rmSync(directory, { recursive: true });
process.exit();
