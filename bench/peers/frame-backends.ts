import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeBackend } from '../../test/interop/node-backend.js';
import { RustBackend } from '../../test/interop/rust-frames.js';
import { startProgram } from '../harness/program.js';
import type { BareFramesReady } from '../programs/bare-frames.js';

/** A backend in another process that echoes frames. */
export interface FrameBackend extends AsyncDisposable {
  /** For titles and rows. */
  readonly name: string;
  readonly endpoint: string;
}

/** The sample backend on the crate's mux where there is a Rust program, else a Node backend. */
export async function startFrameBackend(rustProgram: string | undefined): Promise<FrameBackend> {
  return rustProgram === undefined ? await startNodeBackend() : await startRustBackend(rustProgram);
}

/** `serveBackend` in a Node process. */
export async function startNodeBackend(): Promise<FrameBackend> {
  const backend = await NodeBackend.start();
  return {
    name: 'Node backend',
    endpoint: backend.endpoint,
    [Symbol.asyncDispose]: () => backend.stop(),
  };
}

/** A thread for each connection, one request after the other. */
export async function startRustBackend(rustProgram: string): Promise<FrameBackend> {
  const backend = await RustBackend.startMux(rustProgram);
  return {
    name: 'Rust mux backend',
    endpoint: backend.endpoint,
    [Symbol.asyncDispose]: () => backend.stop(),
  };
}

/** A bare server in a Node process, which knows the length of a frame and nothing else. */
export async function startBareBackend(): Promise<FrameBackend> {
  const program = await startProgram<BareFramesReady>('bare-frames');
  return {
    name: 'bare net server',
    endpoint: program.ready.endpoint,
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}

/** Reads and never answers; in this process. */
export async function startSilentBackend(): Promise<FrameBackend> {
  const directory = mkdtempSync(join(tmpdir(), 'bpq-'));
  const endpoint = join(directory, 'silent.sock');
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    // A client that ends with unread answers may reset its connection.
    socket.on('error', () => {}).resume();
  });
  server.listen(endpoint);
  await once(server, 'listening');
  return {
    name: 'silent backend',
    endpoint,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
