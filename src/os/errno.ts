import os from 'node:os';
import { printableEndpoint, type SystemFailure } from '../errors.js';

export { printableEndpoint };

/** errno numbers of this platform; a name that the platform lacks is absent. */
export const errno: Readonly<Record<string, number>> = os.constants.errno;

const nameByNumber = new Map<number, string>();
for (const [name, value] of Object.entries(os.constants.errno)) {
  // EAGAIN and EWOULDBLOCK share a number on Linux and macOS; the first name wins.
  if (!nameByNumber.has(value)) nameByNumber.set(value, name);
}

/** The name of an errno number, for example `ENOENT` for 2 on Linux. */
export function errnoName(number: number): string {
  return nameByNumber.get(number) ?? `ERRNO_${number}`;
}

/** Whether a call failed with EAGAIN: a full backlog for a connect, nothing there yet for a read. */
export function wouldBlock(result: number): boolean {
  return result === -(errno['EAGAIN'] ?? 0);
}

const SHORTAGES: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS']);

/**
 * Whether a call failed for want of descriptors or memory on this side, which says nothing about the endpoint.
 */
export function isShortage({ code }: Pick<SystemFailure, 'code'>): boolean {
  return SHORTAGES.has(code);
}

/** Describes a failed call. `result` is what a {@link SystemCalls} function returned: the negated errno. */
export function systemFailure(syscall: string, result: number, endpoint?: string): SystemFailure {
  const code = errnoName(-result);
  const where = endpoint === undefined ? '' : ` ${printableEndpoint(endpoint)}`;
  return { code, syscall, message: `${syscall} ${code}${where}` };
}

/** The code of a system error; `undefined` for any other error. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'syscall' in error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}
