/** The texts of the repository that are written by hand. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

const WRITTEN_BY_HAND = /\.(?:ts|rs|md)$/;
/** docs/protocol.md explains the rules that the others cite. */
const NOT_OURS = /(?:^|[\\/])(?:node_modules|target|gen)[\\/]|^protocol\.md$/;

export function textsIn(folder: string, names = WRITTEN_BY_HAND): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => names.test(name) && !NOT_OURS.test(name))
    .map((name) => readFileSync(join(ROOT, folder, name), 'utf8'));
}
