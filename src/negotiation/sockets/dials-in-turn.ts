import { systemClock } from '../../clock.js';

/**
 * Dials on the spot before one waits for the event loop. A closed socket keeps its memory until the loop turns: a
 * program that only connects and closes would keep all its sockets, and run no timer.
 */
export const MOST_DIALS_IN_A_TURN = 256;
/** Dials since the event loop was last seen to turn. */
let dialsInTurn = 0;
let waiting: (() => void)[] = [];

/** Counts a dial. Returns whether the event loop must turn before it. */
export function mustTurn(): boolean {
  dialsInTurn += 1;
  // Not from the first dial on: a program that connects once a turn would pay for the callback each time.
  if (dialsInTurn === MOST_DIALS_IN_A_TURN / 2) systemClock.afterTurn(onTurn);
  return dialsInTurn > MOST_DIALS_IN_A_TURN;
}

/** Runs `dial` once this turn of the event loop is over. Returns a function that cancels it before that. */
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
  // All in one callback: promises react between two, and the first caller could use up this turn by new dials.
  for (const dial of due) dial();
}
