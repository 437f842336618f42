/** The files of a build, as paths below it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { dirname, join as joinUrl } from 'node:path/posix';
import { ROOT } from './copy.js';

const DIST = join(ROOT, 'dist');

export function compiledFilesOf(folder: string, build = DIST): string[] {
  return readdirSync(join(build, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.js'))
    .map((name) => joinUrl(folder, name.replaceAll('\\', '/')))
    .toSorted();
}

export function readCompiled(file: string, build = DIST): string {
  return readFileSync(join(build, file), 'utf8');
}

/** The files that a compiled file imports itself. */
export function importsOf(file: string): Set<string> {
  const paths = [...readCompiled(file).matchAll(/ from '(\.[^']+)'/g)].map(([, path = '']) => path);
  return new Set(paths.map((path) => joinUrl(dirname(file), path)));
}
