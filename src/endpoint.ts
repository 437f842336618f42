import { invalidArgument } from './errors.js';
import { described, quoted } from './validation.js';

/** The start of every Windows pipe name, in the one spelling that this package dials. */
export const PIPE_PREFIX = '\\\\.\\pipe\\';

/** All spellings of the prefix that Windows understands. */
const ANY_PIPE_PREFIX = /^[\\/]{2}[.?][\\/]pipe[\\/]/i;
const DRIVE = /^[a-z]:/i;

/** An endpoint in the form to dial, or its problem, worded to follow the name of the option: `must be …`. */
export type ParsedEndpoint = { readonly endpoint: string } | { readonly problem: string };

/**
 * An endpoint that can be dialled on `platform`, in the form to dial:
 *
 * - POSIX: an absolute path. A relative one would name another socket after every `chdir`.
 * - Linux: also an abstract name, `\0` and at least one more character.
 * - Windows: a pipe name with or without the leading `\\.\pipe\`, in any spelling that Windows understands
 *   (`//./pipe/`, `\\?\PIPE\`). The returned form begins with `\\.\pipe\` and has backslashes only (N-06).
 *   Names that would lead out of this machine's pipes are refused: paths of files, pipes of other machines,
 *   the parts `.` and `..`, empty parts.
 *
 * It must fit into a socket address (N-07): paths up to 107 bytes of UTF-8 on Linux and 103 elsewhere (one
 * byte is the final NUL), abstract names up to 108 bytes, pipe names up to 260 UTF-16 units. Never throws:
 * endpoints that peers name are checked here too.
 */
export function parseEndpoint(value: unknown, platform: NodeJS.Platform = process.platform): ParsedEndpoint {
  const endpoint = typeof value === 'string' ? endpointForm(value, platform) : undefined;
  if (endpoint === undefined)
    return { problem: `must be ${allowedEndpoint(platform)}, got ${described(value)}` };
  const problem = lengthProblem(endpoint, platform);
  return problem === undefined ? { endpoint } : { problem };
}

/** @throws `INVALID_ARGUMENT` with the problem of {@link parseEndpoint} */
export function checkEndpoint(
  field: string,
  value: unknown,
  platform: NodeJS.Platform = process.platform,
): string {
  const parsed = parseEndpoint(value, platform);
  if ('problem' in parsed) throw invalidArgument(field, parsed.problem);
  return parsed.endpoint;
}

/**
 * @throws `INVALID_ARGUMENT` for endpoints that no socket address of `platform` can hold (see {@link
 * parseEndpoint})
 */
export function checkEndpointLength(field: string, endpoint: string, platform: NodeJS.Platform): void {
  const problem = lengthProblem(endpoint, platform);
  if (problem !== undefined) throw invalidArgument(field, problem);
}

function endpointForm(value: string, platform: NodeJS.Platform): string | undefined {
  if (platform === 'win32') return pipeName(value);
  if (value.startsWith('/') && !value.includes('\0')) return value;
  return platform === 'linux' && value.startsWith('\0') && value.length > 1 ? value : undefined;
}

function pipeName(value: string): string | undefined {
  const name = value.replace(ANY_PIPE_PREFIX, '');
  // A bare name; behind the prefix Windows takes a colon for a character like any other.
  if (name === value && DRIVE.test(name)) return undefined;
  const parts = name.split(/[\\/]/);
  const leadsElsewhere = parts.some((part) => part === '' || part === '.' || part === '..');
  return leadsElsewhere || name.includes('\0') ? undefined : PIPE_PREFIX + parts.join('\\');
}

function lengthProblem(endpoint: string, platform: NodeJS.Platform): string | undefined {
  const length = platform === 'win32' ? endpoint.length : Buffer.byteLength(endpoint);
  const unit = platform === 'win32' ? 'UTF-16 units' : 'bytes';
  const limits = { win32: 260, linux: endpoint.startsWith('\0') ? 108 : 107, other: 103 };
  const limit = limits[platform === 'win32' || platform === 'linux' ? platform : 'other'];
  return length <= limit
    ? undefined
    : `is ${length} ${unit} long, the limit on ${platform} is ${limit}: ${quoted(endpoint)}`;
}

function allowedEndpoint(platform: NodeJS.Platform): string {
  if (platform === 'win32')
    return 'the name of a pipe of this machine: no path of a file, no NUL, no part that is empty, "." or ".."';
  return platform === 'linux' ? 'an absolute path or an abstract name ("\\0" and more)' : 'an absolute path';
}
