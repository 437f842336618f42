import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';

/** A file that is not read. The message continues the name of the file. */
export class RefusedFile extends Error {}

/**
 * Reads a short file whole. A FIFO blocks nothing, and the open descriptor is looked at, for the name may mean
 * another file a moment later. Throws `RefusedFile` or the system's error.
 *
 * @param flags more flags of `open`; Windows lacks some, which are `undefined` there and count as 0
 * @param check throws for a file that must not be read
 */
export function readShortFile(
  path: string,
  maxBytes: number,
  flags = 0,
  check: (stats: Stats) => void = () => {},
): { readonly content: Buffer; readonly stats: Stats } {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | flags);
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new RefusedFile('is not a regular file');
    check(stats);
    if (stats.size > maxBytes) throw new RefusedFile(`is longer than ${maxBytes} bytes`);
    return { content: readAll(descriptor, stats.size), stats };
  } finally {
    closeSync(descriptor);
  }
}

function readAll(descriptor: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let length = 0;
  while (length < size) {
    const count = readSync(descriptor, bytes, length, size - length, null);
    if (count === 0) break;
    length += count;
  }
  return bytes.subarray(0, length);
}
