import { randomBytes } from 'node:crypto';
import { openSession, type Session, type SessionOptions } from '../../src/frames/index.js';
import { ECHO_PROTOCOL, RustFrames, type RustReport } from '../../test/interop/rust-frames.js';
import { closedLoop, type Turn, type TurnLength } from '../harness/closed-loop.js';
import type { Role } from '../harness/result.js';
import { Latencies } from '../harness/statistics.js';

/** A way to send requests to a backend and compare their echoes. */
export interface FrameClient extends AsyncDisposable {
  readonly name: string;
  readonly role: Role;
  /** Sends requests for so long, with as many at a time as the client is for. */
  turn(length: TurnLength): Promise<Turn>;
}

/** The request of a client. */
export interface FrameLoad {
  readonly bytes: number;
  /** Requests at a time. */
  readonly callers: number;
}

/** Options of a session that has the bench's payload protocol. */
export type BenchSessionOptions = Omit<SessionOptions, 'payloadProtocol'>;

/** A session with connections of its own. */
export function sessionClient(
  name: string,
  endpoint: string,
  options: BenchSessionOptions,
  load: FrameLoad,
): FrameClient {
  const session = openSession({ endpoint }, { payloadProtocol: ECHO_PROTOCOL, ...options });
  return {
    name,
    role: 'ours',
    turn: (length) => requestsInTurn(session, load, length),
    [Symbol.asyncDispose]: () => session.close(),
  };
}

/** Callers who each wait for an answer, compare it and ask again. */
export function requestsInTurn(
  session: Pick<Session, 'request'>,
  { bytes, callers }: FrameLoad,
  length: TurnLength,
): Promise<Turn> {
  const payload = randomBytes(bytes);
  const nothing = (): void => {};
  const operation = async (): Promise<() => void> => {
    const answer = await session.request(payload);
    if (!payload.equals(answer)) throw new Error('the answer is not the payload');
    return nothing;
  };
  return closedLoop(operation, callers, length);
}

/** Requests in the first turn of a Rust client, and after that at the least. */
const FEWEST = 200;

/**
 * A client of the Rust program: the crate's `FrameClient` in so many threads, or with `inFlight` the program's own
 * client.
 */
export function rustClient(
  name: string,
  program: string,
  endpoint: string,
  { threads, bytes, inFlight = 1 }: { threads: number; bytes: number; inFlight?: number },
): FrameClient {
  const frames = new RustFrames(program, { endpoint });
  let perSecond = 0;
  return {
    name,
    role: 'peer',
    async turn({ operations, milliseconds }) {
      // The program counts requests, not time: how many fill the time is known from the turn before.
      const n = Math.round(Math.max(operations, FEWEST, (perSecond * milliseconds) / 1_000));
      const report = await frames.round({ n, threads, sizes: String(bytes), inFlight });
      ({ perSecond } = report);
      return turnOf(report);
    },
    [Symbol.asyncDispose]: () => frames.stop(),
  };
}

function turnOf({ perSecond, samplesNs }: RustReport): Turn {
  const latencies = new Latencies();
  for (const sample of samplesNs) latencies.recordNs(sample);
  return { latencies, perSecond };
}
