import { systemClock } from '../../clock.js';

/**
 * Dials on the spot before one waits for the event loop. A closed socket keeps its memory until the loop turns: a
 * program that only connects and closes would keep all its sockets, and run no timer.
 */
export const MOST_DIALS_IN_A_TURN = 256;
/** Since the event loop was last seen to turn. */
let dialsInTurn = 0;
let waiting: (() => void)[] = [];

/** Counts a dial. Returns whether the event loop must turn before it. */
export function mustTurn(): boolean {
  dialsInTurn += 1;
  // Not from the first one on: a program that connects once a turn would pay for it each time.
  if (dialsInTurn === MOST_DIALS_IN_A_TURN / 2) systemClock.afterTurn(onTurn);
  return dialsInTurn > MOST_DIALS_IN_A_TURN;
}

/** Runs `dial` when the turn is over for which it must wait. Returns a function that takes it away before that. */
export function afterTurn(dial: () => void): () => void {
  let isWanted = true;
  waiting.push(() => {
    if (isWanted) dial();
  });
  return () => void (isWanted = false);
}

function onTurn(): void {
  dialsInTurn = 0;
  const due = waiting;
  waiting = [];
  // In one callback: behind one of its own, a caller that has its connection could use up the turn of all others.
  for (const dial of due) dial();
}
