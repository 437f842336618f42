import { throwLater } from '../../clock.js';
import { checkName } from '../../validation.js';

/** The protocol of some bytes: the service's own, frames, or too few to tell. */
export type Classification = 'own' | 'frames' | 'incomplete';

const CLASSIFICATIONS: readonly Classification[] = ['own', 'frames', 'incomplete'];

/** Asks the service whose bytes these are; `undefined` where its function fails, whose error is uncaught. */
export function askService(
  classify: (bytes: Uint8Array) => Classification,
  bytes: Uint8Array,
): Classification | undefined {
  try {
    return checkName('the result of classify', classify(bytes), CLASSIFICATIONS);
  } catch (error) {
    throwLater(error);
    return undefined;
  }
}
