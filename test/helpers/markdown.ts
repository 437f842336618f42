import { readFileSync, writeFileSync } from 'node:fs';

/**
 * Puts text between the markers `<!-- name: begin -->` and `<!-- name: end -->` of a Markdown file, which
 * must be there.
 */
export function replaceSection(file: string, name: string, text: string): void {
  const page = readFileSync(file, 'utf8');
  const begin = `<!-- ${name}: begin -->`;
  const end = `<!-- ${name}: end -->`;
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${file} has no place for this: ${begin} … ${end}`);
  writeFileSync(file, `${page.slice(0, from)}${begin}\n${text}\n${page.slice(to)}`);
}
