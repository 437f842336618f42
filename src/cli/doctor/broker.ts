import { BrokerPoolError, printable, printableEndpoint, textOf } from '../../errors.js';
import { adviceFor } from '../../explained-error.js';
import { inCommandWords } from '../words.js';
import { isBrokerDisabled } from './environment.js';
import { knownBrokerEndpoint, REQUEST_LIMIT_MS, type Examination } from './examination.js';
import { failure, ok, warning, type Finding } from './finding.js';

const SUBJECT = 'broker';

/**
 * Asks the broker for its status: one whole frame, whose reply is awaited, does it no harm (A-29). Upstream's
 * doctor connects and hangs up, which ends a registered broker (A-24).
 */
export async function checkBroker(examination: Examination): Promise<Finding[]> {
  const brokerEndpoint = knownBrokerEndpoint(examination);
  if (brokerEndpoint === undefined) return [];
  if (isBrokerDisabled(examination))
    return [ok(SUBJECT, 'is not asked, because RUNNING_PROCESS_DISABLE is 1')];
  const { host, trust, limitMs, requests, signal } = examination;
  const request = host.sendAdminRequest({
    verb: 'STATUS',
    json: true,
    brokerEndpoint,
    trust,
    timeoutMs: REQUEST_LIMIT_MS,
    signal,
  });
  try {
    const outcome = await requests.within(limitMs, request);
    if (outcome === 'late') return [silent(`does not answer within ${limitMs} ms`)];
    const { body, exitCode } = outcome.result;
    return [judge(body, exitCode)];
  } catch (error) {
    return [unreachable(error, brokerEndpoint)];
  }
}

/** Negotiates the service once. The broker may launch its backend. */
export async function checkNegotiation(examination: Examination): Promise<Finding[]> {
  const { serviceName, wantedVersion, host, trust, limitMs, requests, signal } = examination;
  const brokerEndpoint = knownBrokerEndpoint(examination);
  if (serviceName === undefined || wantedVersion === undefined || brokerEndpoint === undefined) return [];
  if (isBrokerDisabled(examination)) return [];
  const subject = `${serviceName} ${wantedVersion}`;
  const request = host.connectToBackend({
    serviceName,
    wantedVersion,
    brokerEndpoint,
    trust,
    roundTripTimeoutMs: REQUEST_LIMIT_MS,
    signal,
  });
  try {
    const outcome = await requests.within(
      limitMs,
      request.then(({ socket, ...connection }) => {
        socket.destroy();
        return connection;
      }),
    );
    if (outcome === 'late')
      return [
        failure(
          subject,
          `is not negotiated within ${limitMs} ms`,
          "see the broker's log, or raise --timeout",
        ),
      ];
    const { endpoint, negotiated } = outcome.result;
    const version = negotiated === undefined ? '' : `, version ${printable(negotiated.daemonVersion)}`;
    return [ok(subject, `is negotiated: ${printableEndpoint(endpoint)}${version}`)];
  } catch (error) {
    return [failed(subject, error)];
  }
}

/** A broker of another release may leave fields out: a field that is missing is no finding. */
function judge(body: string, exitCode: number): Finding {
  const status = parse(body);
  const instance = typeof status['broker_instance'] === 'string' ? ` ${status['broker_instance']}` : '';
  const pid = typeof status['broker_pid'] === 'number' ? `, process ${status['broker_pid']}` : '';
  const answer = printable(`answers${instance && `: instance${instance}`}${pid}`);
  if (status['accepting_hello'] === false)
    return warning(
      SUBJECT,
      `${answer}; it accepts no Hello at present`,
      'wait until it has started or ended',
    );
  if (isDemoted(status['fd_pressure']))
    return warning(SUBJECT, `${answer}; it runs out of descriptors`, 'raise its limit of descriptors');
  if (exitCode !== 0)
    return warning(SUBJECT, `${answer}, with exit code ${exitCode}`, 'see broker-pool admin status');
  return ok(SUBJECT, answer);
}

function isDemoted(pressure: unknown): boolean {
  return typeof pressure === 'object' && pressure !== null && Reflect.get(pressure, 'demoted') === true;
}

function parse(body: string): Readonly<Record<string, unknown>> {
  try {
    const status: unknown = JSON.parse(body);
    return typeof status === 'object' && status !== null ? { ...status } : {};
  } catch {
    return {};
  }
}

function silent(problem: string): Finding {
  return failure(
    SUBJECT,
    `${problem}: it is stopped or overloaded`,
    'see its log; a broker without launching serves one client at a time, so another one may be in its way',
  );
}

function unreachable(error: unknown, endpoint: string): Finding {
  const path = printableEndpoint(endpoint);
  switch (systemCodeIn(error)) {
    case 'ENOENT':
      return failure(SUBJECT, `does not run: there is no ${path}`, 'start it, or correct --broker');
    case 'ECONNREFUSED':
      return failure(
        SUBJECT,
        `does not run: no process listens at ${path}, a file that an ended broker has left`,
        endpoint.startsWith('/') ? `rm ${path}, then start it: it does not start over that file` : 'start it',
      );
    case 'EACCES':
      return failure(SUBJECT, `${path} must not be connected to`, 'run as the user of the broker');
    default:
      return failed(SUBJECT, error);
  }
}

function systemCodeIn(error: unknown): unknown {
  const cause: unknown = error instanceof BrokerPoolError ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause ? cause.code : undefined;
}

/** The error's own advice is at the end of its message. */
function failed(subject: string, error: unknown): Finding {
  if (!(error instanceof BrokerPoolError)) return failure(subject, textOf(error), 'report this as a fault');
  const advice = adviceFor(error);
  const { message } = error;
  const found = error.code === 'REFUSED' ? `is refused: ${error.reason}` : message;
  if (advice === '' || !message.endsWith(advice))
    return failure(subject, inCommandWords(found), `see ${error.code} in docs/errors.md`);
  const problem = withoutStop(found.replace(advice, ''));
  return failure(subject, inCommandWords(problem), inCommandWords(asPhrase(advice)));
}

/** A sentence in the form of the other findings. */
function asPhrase(sentence: string): string {
  return withoutStop(sentence.charAt(0).toLowerCase() + sentence.slice(1));
}

function withoutStop(text: string): string {
  return text.trimEnd().replace(/\.$/, '');
}
