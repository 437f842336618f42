import type { Parameter } from './command.js';

/** The version of the backends that `broker-pool serve` starts. */
export const DEFAULT_VERSION = '1.0.0';

/** The words of every command that reaches a service. */
export const targetParameters: readonly Parameter[] = [
  { name: 'SERVICE', help: 'the service to reach' },
  {
    name: 'VERSION',
    help: `the version to reach, such as 1.11.20; ${DEFAULT_VERSION} if left out`,
    isOptional: true,
  },
];

/** The options that stand for {@link targetParameters}. */
export function targetOf(words: readonly string[]): { serviceName: string; wantedVersion: string } {
  const [serviceName = '', wantedVersion = DEFAULT_VERSION] = words;
  return { serviceName, wantedVersion };
}
