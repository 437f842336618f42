/** The code blocks of the documents. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { ROOT } from './texts.js';

/** Documents for users of the package, by paths from the root. */
export const USER_DOCUMENTS = [
  'README.md',
  ...['docs', 'docs/guides'].flatMap((folder) =>
    readdirSync(join(ROOT, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => posix.join(folder, name)),
  ),
];

export interface Block {
  /** The document and the line of its fence. */
  readonly place: string;
  /** For files: `docs-pool-12`. */
  readonly name: string;
  readonly language: string;
  readonly code: string;
  /** Why it is compiled only: `<!-- not run: … -->` above the fence. */
  readonly notRun: string | undefined;
  /** Its output, line by line, if it prints and each `console.log` has a comment that says it. */
  readonly prints: readonly string[] | undefined;
}

const BLOCK =
  /(?:^<!-- not run: (.*) -->\n(?:<!-- prettier-ignore -->\n)?\n*)?^( *)```(\w+)\n([\s\S]*?)^ *```$/gm;

export function blocksIn(document: string): Block[] {
  const text = readFileSync(join(ROOT, document), 'utf8');
  return [...text.matchAll(BLOCK)].map((match) => {
    const [whole, notRun, indent = '', language = '', indented = ''] = match;
    const code = indented.replaceAll(new RegExp(`^${indent}`, 'gm'), '');
    const line = text.slice(0, match.index + whole.indexOf('```')).split('\n').length;
    return {
      place: `${document}:${line}`,
      name: `${document.replace(/\.md$/, '').replaceAll('/', '-')}-${line}`,
      language,
      code,
      notRun,
      prints: printedBy(code),
    };
  });
}

/** `console.log(answer); // hello` */
function printedBy(code: string): string[] | undefined {
  const logs = [...code.matchAll(/^.*console\.log\(.*$/gm)].map(([line]) => line);
  const comments = logs.flatMap((line) => /; \/\/ (.*)$/.exec(line)?.slice(1) ?? []);
  return logs.length > 0 && comments.length === logs.length ? comments : undefined;
}
