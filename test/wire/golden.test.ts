import test from 'ava';
import { decodeFrame } from '../../src/wire/messages.js';
import { ALL_MESSAGES } from './all-messages.js';
import { goldenVectors, messageFromGolden, type GoldenMessage } from './golden.js';
import { fromHex, toHex } from './hex.js';

function kindOf(name: string): (typeof ALL_MESSAGES)[number] {
  const kind = ALL_MESSAGES.find((candidate) => candidate.name === name);
  if (kind === undefined) throw new Error(`unknown message ${name}`);
  return kind;
}

function fill(name: string, fields: object): object {
  return messageFromGolden({ ...fields }, kindOf(name).decode(new Uint8Array(0)));
}

/** A golden value as our message. A HelloReply has its result under the name of its kind. */
function messageOf({ message, value }: GoldenMessage): object {
  if (message !== 'HelloReply') return fill(message, value);
  const { negotiated, refused } = value;
  if (typeof negotiated === 'object' && negotiated !== null) {
    return { result: { kind: 'negotiated', negotiated: fill('Negotiated', negotiated) } };
  }
  if (typeof refused === 'object' && refused !== null) {
    return { result: { kind: 'refused', refused: fill('Refused', refused) } };
  }
  return { result: undefined };
}

for (const vector of goldenVectors.messages) {
  const { encode, decode } = kindOf(vector.message);
  const message = messageOf(vector);

  test(`${vector.message} "${vector.name}" decodes to what the Rust crate encoded (W-42)`, (t) => {
    t.deepEqual(decode(fromHex(vector.hex)), message);
  });

  test(`${vector.message} "${vector.name}" encodes to the bytes of the Rust crate (W-42)`, (t) => {
    if (hasMapOfSeveral(vector.value)) t.deepEqual(decode(encode(message)), message, 'maps have no order (W-24)');
    else t.is(toHex(encode(message)), vector.hex);
  });
}

/** Whether there is a map with more than one entry: `details` and `labels` are all the maps there are. */
function hasMapOfSeveral(value: object): boolean {
  return Object.entries(value).some(([key, field]: [string, unknown]) => {
    if (typeof field !== 'object' || field === null) return false;
    return (['details', 'labels'].includes(key) && Object.keys(field).length > 1) || hasMapOfSeveral(field);
  });
}

test('there is a golden vector of every message that peers exchange', (t) => {
  const covered = new Set(goldenVectors.messages.map(({ message }) => message));
  for (const { name } of ALL_MESSAGES) t.true(covered.has(name) || name === 'Endpoint', name);
});

test('every golden frame carries an envelope of v1', (t) => {
  for (const { bodyHex } of goldenVectors.frames) t.true(decodeFrame(fromHex(bodyHex)).envelopeVersion <= 1);
});
