import { invalidArgument } from './errors.js';
import { described, quoted } from './validation.js';

/** What every Windows pipe name starts with. */
export const PIPE_PREFIX = '\\\\.\\pipe\\';

/** An endpoint in the form to dial, or what is wrong with it, worded to follow the name of the option: `must be …`. */
export type ParsedEndpoint = { readonly endpoint: string } | { readonly problem: string };

/**
 * An endpoint that can be dialled on `platform`, in the form to dial:
 *
 * - POSIX: an absolute path. A relative one would name another socket after every `chdir`.
 * - Linux: also an abstract name, `\0` and at least one more character.
 * - Windows: a pipe name with or without the leading `\\.\pipe\`; the returned form has it (N-06). A segment `..` would lead out of
 *   the name space of pipes, to files and devices.
 *
 * It must fit into a socket address (N-07), counted in bytes of UTF-8: paths up to 107 on Linux and 103 elsewhere (one byte is
 * the final NUL), abstract names up to 108, pipe names up to 260. Never throws: endpoints that peers name are checked here too.
 */
export function parseEndpoint(value: unknown, platform: NodeJS.Platform = process.platform): ParsedEndpoint {
  const endpoint = typeof value === 'string' ? endpointForm(value, platform) : undefined;
  if (endpoint === undefined) return { problem: `must be ${allowedEndpoint(platform)}, got ${described(value)}` };
  const problem = lengthProblem(endpoint, platform);
  return problem === undefined ? { endpoint } : { problem };
}

/** @throws `INVALID_ARGUMENT` for what {@link parseEndpoint} finds wrong */
export function checkEndpoint(field: string, value: unknown, platform: NodeJS.Platform = process.platform): string {
  const parsed = parseEndpoint(value, platform);
  if ('problem' in parsed) throw invalidArgument(field, parsed.problem);
  return parsed.endpoint;
}

/** @throws `INVALID_ARGUMENT` for endpoints that no socket address of `platform` can hold (see {@link parseEndpoint}) */
export function checkEndpointLength(field: string, endpoint: string, platform: NodeJS.Platform): void {
  const problem = lengthProblem(endpoint, platform);
  if (problem !== undefined) throw invalidArgument(field, problem);
}

function endpointForm(value: string, platform: NodeJS.Platform): string | undefined {
  if (platform !== 'win32') return isAbsolutePath(value) || (platform === 'linux' && isAbstractName(value)) ? value : undefined;
  const name = value.startsWith(PIPE_PREFIX) ? value.slice(PIPE_PREFIX.length) : value;
  return name === '' || name.includes('\0') || name.split(/[\\/]/).includes('..') ? undefined : PIPE_PREFIX + name;
}

function lengthProblem(endpoint: string, platform: NodeJS.Platform): string | undefined {
  const bytes = Buffer.byteLength(endpoint);
  const limit = endpointLimit(endpoint, platform);
  return bytes <= limit ? undefined : `is ${bytes} bytes long, the limit on ${platform} is ${limit}: ${quoted(endpoint)}`;
}

function endpointLimit(endpoint: string, platform: NodeJS.Platform): number {
  if (platform === 'win32') return 260;
  if (platform !== 'linux') return 103;
  return endpoint.startsWith('\0') ? 108 : 107;
}

function isAbsolutePath(value: string): boolean {
  return value.startsWith('/') && !value.includes('\0');
}

function isAbstractName(value: string): boolean {
  return value.startsWith('\0') && value.length > 1;
}

function allowedEndpoint(platform: NodeJS.Platform): string {
  if (platform === 'win32') return 'a pipe name without NUL and ".."';
  return platform === 'linux' ? 'an absolute path or an abstract name ("\\0" and more)' : 'an absolute path';
}
