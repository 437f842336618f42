import type { CheckedFinding } from './doctor/checks.js';
import { checkEndpoint } from '../endpoint.js';
import { checkServiceName, checkVersion } from '../validation.js';
import { brokerOptions, brokerSettings } from './broker-options.js';
import { defineCommand, printJson } from './command.js';
import { list, value } from './option.js';
import { isColoured } from './style.js';
import { startProgress } from './progress.js';
import { absolutePath, milliseconds } from './values.js';

const DEFAULT_LIMIT_MS = 5_000;

/** `broker-pool doctor`: looks for reasons why clients of this user cannot connect. */
export const doctor = defineCommand({
  name: 'doctor',
  description:
    'Looks at all that a client of this user needs, and says what to do about each problem: variables,\n' +
    'directories, the broker, service definitions, identity files, and this machine. It changes nothing,\n' +
    'and asks the broker in a way that does it no harm.',
  parameters: [
    { name: 'SERVICE', help: 'look at the definition and the identity of this one alone', isOptional: true },
    {
      name: 'VERSION',
      help: 'negotiate it once; the broker may launch its backend for that',
      isOptional: true,
    },
  ],
  options: {
    ...brokerOptions,
    timeout: value('MS', `how long a peer may take to answer, ${DEFAULT_LIMIT_MS} if left out`, milliseconds),
    'service-def-dir': value(
      'PATH',
      "the broker's directory of definitions, if not the usual one",
      absolutePath,
      {
        isPath: true,
      },
    ),
    'identity-file': list('PATH', 'an identity file to look at; can be given several times', absolutePath, {
      isPath: true,
    }),
    'endpoint-file': value('PATH', 'a file of remembered endpoints to look at', absolutePath, {
      isPath: true,
    }),
  },
  json: 'one line: {"exitCode","findings":[{"check","verdict","subject","found","advice"}], …}',
  notes:
    'Exit code 0 without failures, also with warnings; 1 with a failure. After a broker that does not answer\n' +
    'the command goes on waiting for its reply, up to 35 seconds: a hang-up would end a registered broker.',
  async run({ words: [serviceName, wantedVersion], values }, { stdout, stderr, env, signal }) {
    if (serviceName !== undefined) checkServiceName('serviceName', serviceName);
    if (wantedVersion !== undefined) checkVersion('wantedVersion', wantedVersion);
    const { runChecks } = await import('./doctor/checks.js');
    const { exitCodeOf, findingText, summary } = await import('./doctor/report.js');
    const { realHost } = await import('./doctor/host.js');
    const { PatientRequests } = await import('./doctor/patience.js');
    const { brokerEndpoint: broker, trust = {} } = brokerSettings(values);
    const brokerEndpoint = broker === undefined ? undefined : checkEndpoint('brokerEndpoint', broker);
    const requests = new PatientRequests();
    const colours = isColoured(stdout, env);
    const progress = startProgress(stderr);
    const findings: CheckedFinding[] = [];
    const { json } = values;
    for await (const finding of runChecks(
      {
        env,
        platform: process.platform,
        brokerEndpoint,
        serviceName,
        wantedVersion,
        trust,
        identityFiles: values['identity-file'],
        endpointFile: values['endpoint-file'],
        definitionDirectory: values['service-def-dir'],
        limitMs: values.timeout ?? DEFAULT_LIMIT_MS,
        requests,
        signal,
        host: realHost,
      },
      (check) => progress.show(`looking at ${check}`),
    )) {
      findings.push(finding);
      progress.clear();
      if (!json) stdout.write(findingText(finding, colours, stdout.columns || undefined));
    }
    signal.throwIfAborted();
    const exitCode = exitCodeOf(findings);
    if (json) printJson(stdout, { schemaVersion: 1, command: 'doctor', exitCode, findings });
    else stdout.write(`\n${summary(findings)}`);
    if (requests.count > 0)
      stderr.write('broker-pool doctor: waiting for the reply that the broker owes, up to 35 s\n');
    await requests.ended();
    return exitCode;
  },
});
