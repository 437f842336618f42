/** The words of the command line for the options that messages name. */
const WORDS: Readonly<Record<string, string>> = {
  brokerEndpoint: '--broker',
  serviceName: 'the service',
  wantedVersion: 'the version',
  payloadProtocol: '--payload-protocol',
  'target.identityFile': '--identity-file',
  'target.endpoint': '--endpoint',
  'trust: { sharedDirectories: true }': '--trust-shared-directories',
};
const NAMES = new RegExp(
  `\\b(?:${Object.keys(WORDS)
    .map((name) => name.replaceAll(/[.{}]/g, String.raw`\$&`))
    .join('|')})(?!\\w)`,
  'g',
);
/** Advice that only a program can follow. */
const FOR_PROGRAMS = / Give idempotent: true with a request that may be repeated\.$/;

/** The message of an error in the words of the command line: the message itself names options of functions. */
export function inCommandWords(message: string): string {
  return message.replace(FOR_PROGRAMS, '').replaceAll(NAMES, (name) => WORDS[name] ?? name);
}
