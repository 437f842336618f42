import { printable } from '../../errors.js';
import { systemCode } from '../../os/errno.js';
import { PrivateFile } from '../../os/private-file.js';
import { RefusedFile } from '../../os/short-file.js';
import { decodeAnswers, LONGEST_FILE_BYTES } from '../../endpoint-cache/answers.js';
import type { Examination } from './examination.js';
import { ok, warning, type Finding } from './finding.js';

/**
 * Checks a file of remembered endpoints. A file that cannot be used is no failure: pools then remember in memory
 * alone.
 */
export function checkEndpointFile({ endpointFile: path }: Examination): Finding[] {
  if (path === undefined) return [];
  const subject = printable(path);
  const useless = (problem: string, advice: string): Finding[] => [warning(subject, problem, advice)];
  try {
    const content = new PrivateFile(path, LONGEST_FILE_BYTES).read();
    if (content === undefined) return [ok(subject, 'is not there yet: the first pool writes it')];
    const { answers, problem } = decodeAnswers(content.text);
    if (problem === 'version')
      return useless('is of a newer release, and not used', 'use one release, or another file');
    const forgotten = [...answers.values()].filter((answer) => answer.forgotten).length;
    const size = `${answers.size - forgotten} endpoints`;
    return problem === 'corrupt'
      ? useless(`is damaged; ${size} can be read`, 'remove it, or let the next pool write it anew')
      : [ok(subject, `remembers ${size}`)];
  } catch (error) {
    if (error instanceof RefusedFile)
      return useless(`is not used, because it ${error.message}`, 'see docs/endpoint-cache.md');
    const code = systemCode(error);
    if (code === undefined) throw error;
    return useless(`cannot be read (${code})`, 'correct its path, or the modes of its directories');
  }
}
