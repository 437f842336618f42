import { callerStack, type EntryPoint } from '../src/caller-stack.js';
import test from './helpers/sanitary.js';

function outer(entryPoints: readonly EntryPoint[]): string {
  return inner(entryPoints);
}

function inner(entryPoints: readonly EntryPoint[]): string {
  return callerStack(entryPoints);
}

function caller(entryPoints: readonly EntryPoint[]): string {
  return outer(entryPoints);
}

function firstFunction(stack: string): string | undefined {
  return /^ {4}at (\w+)/.exec(stack)?.[1];
}

test('the stack of a caller begins below the first entry point of the list that is running', (t) => {
  t.is(firstFunction(caller([outer, inner])), 'caller');
  t.is(firstFunction(caller([firstFunction, inner])), 'outer');
  t.is(firstFunction(caller([])), 'stackBelow', 'none is running: the whole stack');
});

test('a stack that the program formats in its own way is left out', (t) => {
  const before: unknown = Reflect.get(Error, 'prepareStackTrace');
  try {
    Error.prepareStackTrace = (_, sites) => sites;
    t.is(caller([outer]), '');
  } finally {
    Reflect.set(Error, 'prepareStackTrace', before);
  }
});
