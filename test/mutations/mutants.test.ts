import test from '../helpers/sanitary.js';
import { mutantsOf, mutate } from './mutants.js';

const CODE = `export class Queue {
    #size = 0;
    take(limit) {
        if (this.#size >= limit)
            return undefined;
        this.#size -= 1;
        this.wake(Math.min(limit, 2), true);
        return \`\${this.#size + 1} left\`;
    }
}
`;

test('each mutant differs from the code at one place, and names it', (t) => {
  const mutants = mutantsOf('queue.js', CODE);
  t.deepEqual(
    mutants.map(({ kind, before }) => [kind, before]),
    [
      ['condition is true', 'this.#size >= limit'],
      ['condition is false', 'this.#size >= limit'],
      ['>= becomes >', 'this.#size >= limit'],
      ['-= becomes +=', 'this.#size -= 1'],
      ['no call', 'this.wake(Math.min(limit, 2), true);'],
      ['min becomes max', 'Math.min'],
      ['other boolean', 'this.wake(Math.min(limit, 2), true);'],
      ['returns undefined', 'return `${this.#size + 1} left`;'],
    ],
  );
  for (const mutant of mutants) {
    t.is(mutant.where, 'Queue.take');
    t.not(mutate(CODE, mutant), CODE);
  }
});

test('each mutant is code', (t) => {
  const code = 'function f(x) { if (!(x instanceof Map)) return x ?? y ?? z; }';
  const changes = mutantsOf('queue.js', code).map((mutant) => [mutant.kind, mutate(code, mutant)]);
  t.deepEqual(
    changes.find(([kind]) => kind === 'no negation'),
    ['no negation', code.replace('!', '')],
  );
  t.false(changes.some(([kind]) => kind === '?? becomes &&'));
});

test('a mutant of a lazy operator is reached by tests that do not run what is behind it', (t) => {
  const code = 'function f(x) { return x && x.y && x.z; }';
  const operators = mutantsOf('queue.js', code).filter(({ kind }) => kind === '&& becomes ||');
  t.deepEqual(
    operators.map(({ reachedAt }) => reachedAt),
    [code.indexOf('x &&'), code.indexOf('x &&')],
  );
});

test('states that only a programming error brings about have no mutants', (t) => {
  t.deepEqual(mutantsOf('queue.js', "function f(x) { if (x === undefined) throw new Error('empty'); }"), []);
});

test('a return of false has no mutant that a condition could not tell from it', (t) => {
  t.deepEqual(
    mutantsOf('queue.js', 'function f() { return false; }').map(({ kind }) => kind),
    ['other boolean'],
  );
});
