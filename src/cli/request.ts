import { addAbortSignal } from 'node:stream';
import { monotonicNowMs } from '../clock.js';
import { MAX_FRAME_BYTES } from '../wire/frame.js';
import type { Session } from '../frames/index.js';
import { brokerOptions } from './broker-options.js';
import { defineCommand, printJson, printLine, type CommandIo } from './command.js';
import { ExitCode } from './exit-codes.js';
import { value } from './option.js';
import { givenPayload, payloadOptions } from './payload.js';
import { showWhile } from './progress.js';
import { openTarget, payloadProtocolOption } from './session-target.js';
import { targetParameters } from './target.js';
import { absolutePath, milliseconds } from './values.js';

const DEFAULT_MS = 30_000;
const NEWLINE = 10;

/** `broker-pool request`: one request, and its answer. */
export const request = defineCommand({
  name: 'request',
  description:
    'Sends the input, or --data, or the content of --file, as one request to a backend that speaks frames, and ' +
    'prints the answer as it is. What it took is said on the error output. With --identity-file it needs no ' +
    'broker, and no SERVICE.',
  parameters: targetParameters.map((parameter) => ({ ...parameter, isOptional: true })),
  options: {
    'payload-protocol': payloadProtocolOption,
    ...payloadOptions,
    ...brokerOptions,
    'identity-file': value(
      'PATH',
      'reach the backend that has written this file, without a broker',
      absolutePath,
      { isPath: true },
    ),
    timeout: value('MS', `limit for connecting and the answer; ${DEFAULT_MS} if left out`, milliseconds),
  },
  json: 'the answer as {"text" or "base64","bytes","elapsedMs"}',
  async run({ words, values }, io) {
    const { json, timeout: timeoutMs = DEFAULT_MS } = values;
    const target = await openTarget(words, values, { timeoutMs });
    try {
      const payload = (await givenPayload(values, io)) ?? (await readInput(io));
      const { answer, elapsedMs } = await timedRequest(target.session, payload, io);
      if (json) printJson(io.stdout, { ...shownBytes(answer), bytes: answer.length, elapsedMs });
      else {
        io.stdout.write(answer);
        if (io.stdout.isTTY === true && answer.at(-1) !== NEWLINE) io.stdout.write('\n');
        printLine(io.stderr, `answered in ${elapsedMs} ms: ${answer.length} bytes`);
      }
      return ExitCode.DONE;
    } finally {
      await target.close();
    }
  },
});

async function timedRequest(
  session: Session,
  payload: Uint8Array,
  { stderr, signal }: CommandIo,
): Promise<{ answer: Uint8Array; elapsedMs: number }> {
  const startedMs = monotonicNowMs();
  const answer = await showWhile(stderr, 'waiting for the answer', session.request(payload, { signal }));
  return { answer, elapsedMs: Math.round((monotonicNowMs() - startedMs) * 100) / 100 };
}

async function readInput({ stdin, stderr, signal }: CommandIo): Promise<Uint8Array> {
  if ('isTTY' in stdin && stdin.isTTY === true)
    printLine(stderr, 'reading the request from the terminal; Ctrl-D ends it');
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of addAbortSignal(signal, stdin)) {
    const bytes = Buffer.from(chunk);
    chunks.push(bytes);
    length += bytes.length;
    // No request is as long. An input without an end must not fill the memory.
    if (length > MAX_FRAME_BYTES) break;
  }
  return Buffer.concat(chunks);
}

/** Text where the bytes are text. */
function shownBytes(bytes: Uint8Array): { text: string } | { base64: string } {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { base64: Buffer.from(bytes).toString('base64') };
  }
}
