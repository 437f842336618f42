import { printableEndpoint } from '../errors.js';
import { brokerOptions, brokerSettings } from './broker-options.js';
import { defineCommand, printJson, printLine } from './command.js';
import { ExitCode } from './exit-codes.js';
import { value } from './option.js';
import { givenPayload, payloadOptions } from './payload.js';
import { showWhile, startProgress } from './progress.js';
import { isColoured } from './style.js';
import { targetOf, targetParameters } from './target.js';
import { identifier, milliseconds, wholeNumber } from './values.js';

const HELLOS = 20;
const COUNT = 1_000;
const TIME_MS = 3_000;
const LIMIT_MS = 30_000;
const PAYLOAD_BYTES = 64;

/** `broker-pool bench`: how fast the user's own broker and backend are. */
export const bench = defineCommand({
  name: 'bench',
  description:
    'Measures how long your broker and backend take: connections by a Hello, connections without one, leases of ' +
    'an idle connection, and with --payload-protocol requests. Each measure ends when it has enough samples, or ' +
    'after its time. The broker gets one Hello at a time, and never a hang-up before its reply.',
  parameters: targetParameters,
  options: {
    ...brokerOptions,
    hellos: value(
      'N',
      `connections by a Hello at most; ${HELLOS} if left out`,
      wholeNumber({ min: 1, max: 10_000 }),
    ),
    count: value(
      'N',
      `samples of each other measure at most; ${COUNT} if left out`,
      wholeNumber({ min: 1, max: 1_000_000 }),
    ),
    time: value('MS', `time for each measure at most; ${TIME_MS} if left out`, milliseconds),
    'payload-protocol': value('ID', 'measure requests of this payload protocol too', identifier),
    ...payloadOptions,
    concurrency: value('N', 'requests at a time; 1 if left out', wholeNumber({ min: 1, max: 10_000 })),
    timeout: value('MS', `limit for each single call; ${LIMIT_MS} if left out`, milliseconds),
  },
  json: 'the figures as JSON, in microseconds, with the buckets of the histograms',
  async run({ words, values }, io) {
    const { signal, stdout, stderr, env } = io;
    const { json, time: timeMs = TIME_MS } = values;
    const target = targetOf(words);
    const [{ openBench }, { take }, { bucketsOf, figuresOf }, { picture }] = await Promise.all([
      import('./bench/open.js'),
      import('./bench/measures.js'),
      import('./bench/samples.js'),
      import('./bench/picture.js'),
    ]);
    const opening = openBench({
      target: { ...target, ...brokerSettings(values) },
      hellos: values.hellos ?? HELLOS,
      count: values.count ?? COUNT,
      concurrency: values.concurrency ?? 1,
      timeoutMs: values.timeout ?? LIMIT_MS,
      payloadProtocol: values['payload-protocol'],
      payload: (await givenPayload(values, io)) ?? new Uint8Array(PAYLOAD_BYTES),
      signal,
    });
    const { endpoint, measures, check, close } = await showWhile(stderr, 'connecting', opening);
    const progress = startProgress(stderr);
    const results: object[] = [];
    if (!json)
      printLine(stdout, `${Object.values(target).join(' ')}, backend at ${printableEndpoint(endpoint)}`);
    try {
      for (const measure of measures) {
        const { samples, elapsedMs } = await take(measure, { timeMs, signal, progress, check });
        progress.clear();
        if (json)
          results.push({ name: measure.name, elapsedMs, ...figuresOf(samples), buckets: bucketsOf(samples) });
        else printLine(stdout, `\n${picture(measure.name, samples, elapsedMs, isColoured(stdout, env))}`);
      }
    } finally {
      progress.clear();
      await close();
    }
    if (json) printJson(stdout, { ...target, endpoint, measures: results });
    return ExitCode.DONE;
  },
});
