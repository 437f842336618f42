import { chooseConnection, type Candidate } from '../../../src/frames/multiplexing/choice.js';
import test from '../../helpers/sanitary.js';

function candidate(inFlight: number, marks: Partial<Candidate> = {}): Candidate {
  return { inFlight, isFull: false, isSlow: false, ...marks };
}

test('the connection with the fewest requests is chosen, the first of equals', (t) => {
  const candidates = [candidate(3), candidate(1), candidate(1)];
  t.is(chooseConnection(candidates, false, 4), candidates[1]);
});

test('a full connection is not chosen', (t) => {
  const candidates = [candidate(0, { isFull: true }), candidate(5)];
  t.is(chooseConnection(candidates, false, 4), candidates[1]);
  t.is(chooseConnection([candidate(0, { isFull: true })], false, 4), undefined);
});

test('a small request avoids connections with large ones, and takes one where there is no other', (t) => {
  const slow = candidate(1, { isSlow: true });
  const busy = candidate(50);
  t.is(chooseConnection([slow, busy], false, 4), busy);
  t.is(chooseConnection([slow], false, 4), slow);
});

test('large requests leave one connection to the small ones', (t) => {
  const slow = Array.from({ length: 3 }, () => candidate(1, { isSlow: true }));
  t.is(chooseConnection([...slow, candidate(0)], true, 4), slow[0]);
  t.is(chooseConnection([...slow.slice(1), candidate(0)], true, 4)?.inFlight, 0);
});

test('a single connection carries large and small requests', (t) => {
  t.is(chooseConnection([candidate(0)], true, 1)?.inFlight, 0);
  t.is(chooseConnection([candidate(1, { isSlow: true })], false, 1)?.inFlight, 1);
});
