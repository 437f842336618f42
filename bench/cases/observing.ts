import { spawnTestSystem } from '../../src/testing/index.js';
import type { BenchCase } from '../harness/case.js';
import { askProgram } from '../harness/child.js';
import { alternate } from '../harness/rounds.js';
import { OURS } from '../peers/lenders.js';
import { COLLECTED, OBSERVERS, SCRAPED, UNOBSERVED } from '../peers/observers.js';
import type { LendTask } from '../programs/lend.js';

/** What do metrics cost an acquire? */
export const observing: BenchCase = {
  name: 'observing',
  question: 'What do metrics cost the acquire and the release of an idle connection?',
  budgetMs: 25_000,
  async run(context) {
    await using system = await spawnTestSystem({ handoff: 'none' });
    const contenders = OBSERVERS.map((name) => ({ name }));
    const rounds = await alternate(context, 'observers', contenders, observing.budgetMs, async ({ name }) => {
      const task: LendTask = {
        lender: OURS,
        callers: 1,
        max: 10,
        target: system.target,
        observer: name,
      };
      return await askProgram<number>('lend', task);
    });
    return {
      tables: [
        {
          title: 'acquire and release, one caller',
          unit: 'ns',
          better: 'lower',
          baseline: UNOBSERVED,
          rows: contenders.map(({ name }) => ({
            name,
            role: name === UNOBSERVED ? 'floor' : 'ours',
            rounds: rounds.get(name) ?? [],
          })),
          targets: [
            { row: SCRAPED, against: UNOBSERVED, atMost: 1.05 },
            { row: COLLECTED, against: UNOBSERVED, atMost: 1.5 },
          ],
        },
      ],
      notes: [
        'Each batch of about 50 ms ends with a scrape or a collection, which is part of its time: 300 times as often as usual.',
      ],
    };
  },
};
