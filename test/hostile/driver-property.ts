/**
 * Hostile streams over real sockets: a driver comes to the oracle's verdict, however the kernel splits the
 * stream.
 */
import { deepStrictEqual } from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import type { Driver, Outcome } from '../../src/negotiation/job.js';
import { endpointIn } from '../helpers/endpoints.js';
import { closed } from '../helpers/talk.js';
import { cut } from '../helpers/pieces.js';
import { adminJob, handshakeJob, run } from '../negotiation/drivers-kit.js';
import { heard, HostilePeer, say } from './hostile-peer.js';
import { judge, type Mode, type Verdict } from './oracle.js';
import { anyHostileStream, type HostileStream } from './streams.js';

/** Checks a driver against one hostile broker, whose conduct changes with every stream. */
export async function fuzzDriver(create: () => Driver, connections: number, seed: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'bph-'));
  const peer = await HostilePeer.listen(endpointIn(directory, 'broker'), () => {});
  const driver = create();
  try {
    await fc.assert(
      fc.asyncProperty(anyHostileStream, async (hostile) => {
        deepStrictEqual(await verdictOver(driver, peer, hostile), expected(hostile));
      }),
      { numRuns: connections, seed },
    );
  } finally {
    await driver.close();
    await peer.close();
    rmSync(directory, { recursive: true });
  }
}

/** No backend listens at the endpoints of the hostile broker: a failed dial shows that the driver dialled. */
function expected({ mode, stream }: HostileStream): Verdict | { kind: 'dialled' } {
  const verdict = judge(mode, stream);
  return verdict.kind === 'reconnect' ? { kind: 'dialled' } : verdict;
}

async function verdictOver(
  driver: Driver,
  peer: HostilePeer,
  { mode, stream, places }: HostileStream,
): Promise<Verdict | { kind: 'dialled' }> {
  peer.conduct = async (socket) => {
    await heard(socket);
    for (const piece of cut(stream, places)) await say(socket, piece);
    socket.end();
  };
  return await verdictOf(await run(driver, jobOf(mode, peer.endpoint)), peer.endpoint);
}

function jobOf(mode: Mode, endpoint: string) {
  return mode === 'admin'
    ? adminJob(endpoint)
    : handshakeJob(endpoint, { adoptHandedOffConnection: mode === 'adopting' });
}

async function verdictOf(outcome: Outcome, brokerEndpoint: string): Promise<Verdict | { kind: 'dialled' }> {
  switch (outcome.kind) {
    case 'answered':
      return { kind: 'answer', exitCode: outcome.reply.exitCode, body: outcome.reply.body };
    case 'connected': {
      const { socket, route, endpoint } = outcome;
      if (route !== 'handle-passed') throw new Error(`connected by ${route} where no backend listens`);
      let residueBytes = 0;
      for await (const chunk of socket) residueBytes += Buffer.isBuffer(chunk) ? chunk.length : 0;
      await closed(socket);
      return { kind: 'adopt', pipe: endpoint, residueBytes };
    }
    case 'failed': {
      const { code, endpoint, refusalCode, retryAfterMs } = outcome.failure;
      // A name that cannot be dialled is the broker's failure.
      if (code === 'BACKEND_CONNECT' && endpoint !== brokerEndpoint) return { kind: 'dialled' };
      return {
        kind: 'failed',
        code,
        ...(refusalCode !== undefined && { refusalCode }),
        ...(retryAfterMs !== undefined && { retryAfterMs }),
      };
    }
  }
}
