import type { BrokerBehaviour, ReplyBehaviour } from '../../testing/behaviour.js';

/** An event instead of a response. */
const EVENT = 2;
/** The payload of no message: a tag that is cut off. */
const NO_MESSAGE = Uint8Array.of(0xff);

/** Faults of replies, to Hellos and to admin requests. */
const REPLIES = {
  silent: { kind: 'silent' },
  close: { kind: 'close' },
  'half-frame': { kind: 'halfFrame' },
  'wrong-version': { kind: 'wrongVersionByte' },
  oversized: { kind: 'oversizedHeader' },
  'no-frame': { kind: 'garbage' },
  'wrong-frame': { kind: 'envelope', frame: { kind: EVENT } },
  'no-reply': { kind: 'envelope', frame: { payload: NO_MESSAGE } },
} as const satisfies Readonly<Record<string, ReplyBehaviour>>;

/** Faults in the content of a HelloReply; admin requests are answered as usual. */
const HELLO_REPLIES = {
  'no-result': { kind: 'noResult' },
  'no-endpoint': { kind: 'emptyPipe' },
} as const satisfies Readonly<Record<string, BrokerBehaviour>>;

const ALL: Readonly<Record<string, BrokerBehaviour>> = { ...REPLIES, ...HELLO_REPLIES };

/** The words for `serve broker --misbehave`. */
export const MISBEHAVIOURS: readonly string[] = Object.keys(ALL);

/** The behaviour of the broker for one of {@link MISBEHAVIOURS}. */
export function behaviourFor(word: string): { hello: BrokerBehaviour; admin: ReplyBehaviour } {
  const replies: Readonly<Record<string, ReplyBehaviour>> = REPLIES;
  const answer = { kind: 'answer' } as const;
  return { hello: ALL[word] ?? answer, admin: replies[word] ?? answer };
}
