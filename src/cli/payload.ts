import { readFile } from 'node:fs/promises';
import { CommandFailure, UsageError, type CommandIo } from './command.js';
import { ExitCode } from './exit-codes.js';
import { value, type ValuesOf } from './option.js';
import { absolutePath, anyText } from './values.js';
import { textOf } from '../errors.js';

/** Options for the bytes of a request. */
export const payloadOptions = {
  data: value('TEXT', 'the request', anyText),
  file: value('PATH', 'a file whose content is the request', absolutePath, { isPath: true }),
};

/** The bytes that {@link payloadOptions} name; `undefined` where they name none. */
export async function givenPayload(
  { data, file }: ValuesOf<typeof payloadOptions>,
  { signal }: Pick<CommandIo, 'signal'>,
): Promise<Uint8Array | undefined> {
  if (data !== undefined && file !== undefined) throw new UsageError('give either --data or --file');
  if (file === undefined) return data === undefined ? undefined : Buffer.from(data);
  return await readFile(file, { signal }).catch((error: unknown) => {
    const reason = textOf(error);
    throw new CommandFailure(`cannot read ${file}: ${reason}`, ExitCode.FAILED);
  });
}
