import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's root. Tests run from the build, two folders and a file below it. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** A source file by its path from the root, with what it names. */
export interface SourceFile {
  readonly path: string;
  /** Without comments. */
  readonly text: string;
  /** The files of this package it imports, types too, by their paths from the root. */
  readonly files: readonly string[];
  /** The packages and Node modules it imports. */
  readonly packages: readonly string[];
}

/** All TypeScript sources below a folder of the package. */
export function sourcesIn(folder: string): SourceFile[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => posix.join(folder, name.replaceAll('\\', '/')))
    .filter((path) => path.endsWith('.ts') && !path.includes('/node_modules/'))
    .toSorted()
    .map((path) => parseSource(path, readFileSync(join(ROOT, path), 'utf8')));
}

/**
 * Whatever a module can be named by: `from '…'`, `import '…'`, and calls of `import`, `require` and what
 * stands for it.
 */
const MODULE_NAME =
  /(?<!')\bfrom\s*'([^']+)'|\bimport\s*'([^']+)'|\bimport\s*\(\s*'([^']+)'|\b(?:require|requirePackage|createRequire\([^)]*\))\s*\(\s*'([^']+)'/g;

/** Finds the imports of a source text. Knows our own style: single quotes, relative paths with `.js`. */
export function parseSource(path: string, source: string): SourceFile {
  const text = withoutComments(source);
  const names = [...text.matchAll(MODULE_NAME)].map(
    (match) => match.slice(1).find((name) => name !== undefined) ?? '',
  );
  const local = names.filter((name) => name.startsWith('.'));
  return {
    path,
    text,
    files: local.map((name) => posix.join(posix.dirname(path), name).replace(/\.js$/, '.ts')),
    packages: names.filter((name) => !name.startsWith('.')).map(packageOf),
  };
}

function packageOf(name: string): string {
  if (name.startsWith('node:')) return name;
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
}

/**
 * Comments are taken out, strings and templates are not looked into. A lone quote in a regular expression
 * would confuse this.
 */
function withoutComments(source: string): string {
  return source.replace(
    /('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`)|\/\/[^\n]*|\/\*[^]*?\*\//g,
    (_all, literal: string | undefined) => literal ?? '',
  );
}

/** The files of a cycle in the order of import, or `undefined` if there is none. */
export function findCycle(files: readonly SourceFile[]): string[] | undefined {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const finished = new Set<string>();
  const walk = (path: string, way: readonly string[]): string[] | undefined => {
    if (way.includes(path)) return [...way.slice(way.indexOf(path)), path];
    if (finished.has(path)) return undefined;
    for (const next of byPath.get(path)?.files ?? []) {
      const cycle = walk(next, [...way, path]);
      if (cycle !== undefined) return cycle;
    }
    finished.add(path);
    return undefined;
  };
  for (const { path } of files) {
    const cycle = walk(path, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}
