import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const LIMIT_MS = 10_000;

/** The major version of the Node at a path. Throws where there is none. */
export async function majorVersionOf(node: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(node, ['--version'], { timeout: LIMIT_MS });
    return majorOf(stdout);
  } catch (error) {
    throw new Error(`--node must name a program of Node, got ${node}`, { cause: error });
  }
}

/** @param version as Node prints it, for example v24.1.0 */
export function majorOf(version: string): string {
  const major = /^v(\d+)\./.exec(version)?.[1];
  if (major === undefined) throw new Error(`"${version}" is no version of Node`);
  return major;
}
