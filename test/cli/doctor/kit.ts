import { mkdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { sendAdminRequest } from '../../../src/client/admin.js';
import { connectToBackend } from '../../../src/client/connect.js';
import { sharedBrokerEndpoint } from '../../../src/broker-options/endpoints.js';
import { runChecks, type CheckedFinding } from '../../../src/cli/doctor/checks.js';
import type { Examination, Host } from '../../../src/cli/doctor/examination.js';
import { readListeningNames } from '../../../src/cli/doctor/host.js';
import { PatientRequests } from '../../../src/cli/doctor/patience.js';
import { EmbeddedBroker } from '../../../src/testing/index.js';
import type { EmbeddedBrokerOptions } from '../../../src/testing/options.js';
import { scaled } from '../../helpers/patience.js';
import { temporaryDirectory } from '../../helpers/sanitary.js';

/** Requests go to real sockets; the rest of the machine is as it should be. */
export const SOUND_HOST: Host = {
  nodeVersion: 'v20.19.0',
  sendAdminRequest,
  connectToBackend,
  ffiProblem: () => undefined,
  ringProblem: () => undefined,
  threadProblem: () => Promise.resolve(undefined),
  descriptors: () => ({ limit: 1_024, open: 20 }),
  listeningNames: () => readListeningNames('/proc/net/unix'),
};

/** The machine of one test. */
export interface Machine {
  /** Of the user; short enough for sockets. */
  readonly folder: string;
  /** Where brokers of the user listen. */
  readonly endpoint: string;
  readonly examination: Examination;
}

/** A user with directories as brokers make them, and without a broker. */
export function machine(t: ExecutionContext, changes: Partial<Examination> = {}): Machine {
  const folder = realpathSync(temporaryDirectory(t));
  const env = { XDG_RUNTIME_DIR: folder, TMPDIR: folder, XDG_CONFIG_HOME: join(folder, 'config') };
  const endpoint = sharedBrokerEndpoint({ env });
  mkdirSync(dirname(endpoint), { recursive: true, mode: 0o700 });
  const definitions = join(folder, 'definitions');
  mkdirSync(definitions, { mode: 0o700 });
  return {
    folder,
    endpoint,
    examination: {
      env,
      platform: process.platform,
      trust: {},
      identityFiles: [],
      definitionDirectory: definitions,
      limitMs: scaled(5_000),
      requests: new PatientRequests(),
      host: SOUND_HOST,
      ...changes,
    },
  };
}

/** Starts a broker at an endpoint; it stops when the test is over. */
export async function startBroker(
  t: ExecutionContext,
  endpoint: string,
  options: EmbeddedBrokerOptions = {},
): Promise<EmbeddedBroker> {
  const broker = await EmbeddedBroker.start({ endpoint, ...options });
  t.teardown(() => broker.stop());
  return broker;
}

/** All findings, or those of one check. */
export async function examine(examination: Examination, check?: string): Promise<CheckedFinding[]> {
  const findings: CheckedFinding[] = [];
  for await (const finding of runChecks(examination)) findings.push(finding);
  return findings.filter((finding) => check === undefined || finding.check === check);
}

/** The findings that are not `ok`. */
export async function problemsOf(examination: Examination): Promise<CheckedFinding[]> {
  return (await examine(examination)).filter(({ verdict }) => verdict !== 'ok');
}
