/** The usage texts and exit codes of `broker-pool` in its page. */
import { COMMANDS } from '../../src/cli/commands.js';
import { exitCodeTable } from '../../src/cli/exit-codes.js';
import { usageOf } from '../../src/cli/help.js';

/** The page of the command line. */
export const CLI_PAGE = 'docs/cli.md';

const USAGE = /^(<!-- usage: (.*) -->\n)(?:\n```text\n[\s\S]*?^```\n)?/gm;
const EXIT_CODES = /^(<!-- exit codes -->\n)(?:<!-- prettier-ignore -->\n)?(?:\|.*\n)*/gm;

/** The commands in the markers of a page, in their order. */
export function commandsShownOn(page: string): string[] {
  return [...page.matchAll(USAGE)].map(([, , name = '']) => name);
}

/** The page with the usage text below each marker `<!-- usage: NAME -->`, and the table of exit codes. */
export async function withUsageTexts(page: string): Promise<string> {
  const usages = new Map<string, string>();
  for (const { name, load } of COMMANDS) usages.set(name, usageOf(await load()));
  const rows = exitCodeTable().map(({ code, meaning }) => `| ${code} | ${meaning} |\n`);
  const table = ['<!-- prettier-ignore -->\n', '| exit code | |\n', '|---|---|\n', ...rows].join('');
  return page
    .replaceAll(USAGE, (_, marker: string, name: string) => {
      const usage = usages.get(name);
      if (usage === undefined) throw new Error(`there is no command ${name}`);
      return `${marker}\n\`\`\`text\n${usage}\`\`\`\n`;
    })
    .replaceAll(EXIT_CODES, (_, marker: string) => marker + table);
}
