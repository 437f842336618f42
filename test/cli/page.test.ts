import { readFileSync } from 'node:fs';
import { COMMANDS } from '../../src/cli/commands.js';
import test from '../helpers/sanitary.js';
import { CLI_PAGE, commandsShownOn, withUsageTexts } from '../helpers/usage-texts.js';

const PAGE = readFileSync(new URL(`../../../${CLI_PAGE}`, import.meta.url), 'utf8');

test('docs/cli.md has each command once', (t) => {
  const next = 'name it in a comment `<!-- usage: … -->`, then npm run generate:docs';
  t.deepEqual(commandsShownOn(PAGE).toSorted(), COMMANDS.map(({ name }) => name).toSorted(), next);
});

test('the usage texts and exit codes in docs/cli.md are those that `npm run generate:docs` writes', async (t) => {
  t.is(await withUsageTexts(PAGE), PAGE);
});
