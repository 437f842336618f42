import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

const IMPORT = /(?:\bfrom |\bimport ?\(?)['"](\.[^'"]+)\.js['"]/g;

/** The declaration files that the entries of the package reach, with their paths below `root`. */
export function reachedDeclarations(root: string): ReadonlySet<string> {
  const reached = new Set<string>();
  const reach = (path: string): void => {
    if (reached.has(path) || !existsSync(path)) return;
    reached.add(path);
    for (const [, imported = ''] of readFileSync(path, 'utf8').matchAll(IMPORT))
      reach(join(dirname(path), `${imported}.d.ts`));
  };
  const packageFile: { exports: Record<string, string | { types?: string }> } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  );
  for (const entry of Object.values(packageFile.exports))
    if (typeof entry === 'object' && entry.types !== undefined) reach(normalize(join(root, entry.types)));
  return reached;
}
