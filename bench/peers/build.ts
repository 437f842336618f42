import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The exports of a build. */
export type Build = typeof import('../../src/index.js');

/** The URL of the entry of this build. */
export const THIS_BUILD = new URL('../../src/index.js', import.meta.url).href;

/** The URL of the entry of the build in another checkout. Throws where that is not built. */
export function buildIn(checkout: string): string {
  const entry = join(resolve(checkout), 'dist/src/index.js');
  if (!existsSync(entry)) throw new Error(`--against needs a checkout that is built: there is no ${entry}`);
  return pathToFileURL(entry).href;
}

export async function loadBuild(url: string): Promise<Build> {
  const build: Build = await import(url);
  return build;
}
