import { statSync } from 'node:fs';
import { posix, relative, resolve, sep } from 'node:path';

/** The pattern by which AVA finds the compiled form of a test file, or of all in a folder. */
export function compiled(source: string): string {
  const path = posix.join('dist', relative('.', resolve(source)).split(sep).join('/'));
  return statSync(source).isDirectory() ? `${path}/**/*.test.js` : path.replace(/\.ts$/, '.js');
}
