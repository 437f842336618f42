import { resolve } from 'node:path';
import { LONGEST_TIMER_MS } from '../clock.js';
import { didYouMean } from '../did-you-mean.js';
import { quoted } from '../validation.js';
import { UsageError } from './command.js';

/** A reader of an option's text, see `ValueOption.read`. */
type Reader<Value> = (name: string, text: string) => Value;

/** Any text. */
export function anyText(_name: string, text: string): string {
  return text;
}

/** A whole number in digits. */
export function wholeNumber({ min = 0, max = Infinity } = {}): Reader<number> {
  return (name, text) => {
    const number = Number(text);
    if (/^\d+$/.test(text) && Number.isSafeInteger(number) && number >= min && number <= max) return number;
    const range = max === Infinity ? `from ${min} up` : `from ${min} to ${max}`;
    throw new UsageError(`${name} must be a whole number ${range}, not ${quoted(text)}`);
  };
}

/** A limit in milliseconds that a timer can take. */
export const milliseconds = wholeNumber({ min: 1, max: LONGEST_TIMER_MS });

/** A whole number in digits, or in hexadecimal ones behind `0x`. */
export function identifier(name: string, text: string): number {
  if (/^(?:\d+|0x[\da-f]+)$/i.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw new UsageError(`${name} must be a number such as 0xf001, not ${quoted(text)}`);
}

/** A path as shells complete it; a relative one begins in the working directory. */
export function absolutePath(_name: string, text: string): string {
  return resolve(text);
}

/** One of some words. */
export function oneOf<Word extends string>(words: readonly Word[]): Reader<Word> {
  return (name, text) => {
    const word = words.find((one) => one === text);
    if (word !== undefined) return word;
    throw new UsageError(
      `${name} must be one of ${words.join(', ')}, not ${quoted(text)}${didYouMean(text, words)}`,
    );
  };
}

/**
 * An endpoint as users type it: a path as in {@link absolutePath}, and on Linux `@name` for an abstract name, whose
 * first character, NUL, cannot be typed.
 */
export function endpointArgument(name: string, text: string): string {
  if (process.platform === 'linux' && text.startsWith('@')) return `\0${text.slice(1)}`;
  return process.platform === 'win32' || text === '' ? text : absolutePath(name, text);
}

/** An endpoint as {@link endpointArgument} takes it. */
export function shownEndpoint(endpoint: string): string {
  return endpoint.replace(/^\0/, '@');
}
