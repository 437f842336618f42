import { throwLater } from '../../clock.js';
import { checkName } from '../../validation.js';

const CLASSIFICATIONS = ['own', 'frames', 'incomplete'] as const;

/** Whose bytes these are: the service's own protocol, frames, or too few to tell. */
export type Classification = (typeof CLASSIFICATIONS)[number];

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
