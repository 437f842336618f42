import { wallNowMs } from '../clock.js';
import { AdminReplyKind, AdminVerb, type AdminReply, type AdminRequest } from '../wire/messages.js';
import type { EmbeddedService } from './hello-rules.js';

/** The state that an embedded broker reports. */
export interface AdminState {
  readonly instance: string;
  readonly endpoint: string;
  /** Milliseconds since the Unix epoch. */
  readonly startedAtUnixMs: number;
  readonly services: ReadonlyMap<string, EmbeddedService>;
}

/**
 * The answer to an admin request, in the forms of. Acknowledges SHUTDOWN and ignores it, as a
 * registered broker does (V-37).
 */
export function answerAdmin(request: AdminRequest, state: AdminState): AdminReply {
  switch (request.verb) {
    case AdminVerb.STATUS:
      return request.json
        ? json('status', status(state))
        : text(`broker_instance: ${state.instance}\naccepting_hello: true\n`);
    case AdminVerb.DUMP:
      return json('dump', {
        effective_config: configuration(state),
        recent_lifecycle_events: [],
        spawn_budgets: [],
        status: status(state),
      });
    case AdminVerb.LIST_INSTANCES:
      return json('list-instances', {
        instances: [{ broker_instance: state.instance, broker_pid: process.pid, pipe: '' }],
      });
    case AdminVerb.HEALTHZ:
      return text('ok\n');
    case AdminVerb.READYZ:
      return text('ready\n');
    case AdminVerb.BACKEND_HEALTH:
      return json('backend-health', {
        backends: backendRows(state).filter((row) => row.service_name === request.serviceName),
        service_name: request.serviceName === '' ? 'unknown' : request.serviceName,
      });
    case AdminVerb.CONFIG:
      return json('config', { values: configuration(state) });
    case AdminVerb.DIAGNOSE:
      return json('diagnose', {
        bundle: {
          created: false,
          mode: 'metadata-only',
          output_path: request.outputPath === '' ? 'bundle.tar.gz' : request.outputPath,
        },
      });
    case AdminVerb.METRICS:
      return {
        kind: AdminReplyKind.OPENMETRICS,
        body: metrics(state),
        exitCode: 0,
        contentType: 'application/openmetrics-text',
      };
    case AdminVerb.SHUTDOWN:
      return text('broker shutting down\n');
    default:
      return text('unsupported admin verb\n', 2);
  }
}

function text(body: string, exitCode = 0): AdminReply {
  return { kind: AdminReplyKind.TEXT, body, exitCode, contentType: 'text/plain' };
}

/** Every JSON body has the same three fields around it, and its keys in alphabetical order. */
function json(command: string, body: Readonly<Record<string, unknown>>): AdminReply {
  const whole = { ...body, command, generated_at_unix_ms: wallNowMs(), schema_version: 1 };
  return {
    kind: AdminReplyKind.JSON,
    body: JSON.stringify(sorted(whole)),
    exitCode: 0,
    contentType: 'application/json',
  };
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries: [string, unknown][] = Object.entries(value);
  return Object.fromEntries(
    entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => [key, sorted(inner)]),
  );
}

/** A-08, with the constants of A-09: the real broker has no live values for them either. */
function status(state: AdminState) {
  return {
    accepting_hello: true,
    backends: backendRows(state),
    broker_instance: state.instance,
    broker_pid: process.pid,
    connections_open: 0,
    fd_pressure: { demoted: false },
    inode_pressure: { supported: false },
    uptime_seconds: uptimeSeconds(state),
  };
}

function backendRows(state: AdminState) {
  return [...state.services].flatMap(
    ([serviceName, { endpoint, version, versions = [version ?? '0.0.0'] }]) =>
      versions.map((serviceVersion) => ({
        backend_pipe: endpoint,
        last_active_unix_ms: state.startedAtUnixMs,
        pid: process.pid,
        service_name: serviceName,
        service_version: serviceVersion,
        state: 'running',
      })),
  );
}

function configuration(state: AdminState) {
  return { broker_endpoint: { source: 'runtime', value: state.endpoint } };
}

const PREFIX = 'running_process_broker_v1_';
const METRICS: readonly (readonly [string, string])[] = [
  ['hello_total', 'counter'],
  ['hello_duration_seconds', 'histogram'],
  ['active_backends', 'gauge'],
  ['spawn_attempts_total', 'counter'],
  ['spawn_budget_remaining', 'gauge'],
  ['connections_open', 'gauge'],
  ['fd_usage_ratio', 'gauge'],
  ['uptime_seconds', 'gauge'],
];

/** M-01, M-02: a type line for each metric, samples for the last three. */
function metrics(state: AdminState): string {
  const samples = new Map([
    ['connections_open', 0],
    ['fd_usage_ratio', 0],
    ['uptime_seconds', Math.floor(uptimeSeconds(state))],
  ]);
  const lines = METRICS.flatMap(([name, kind]) => {
    const sample = samples.get(name);
    return [
      `# TYPE ${PREFIX}${name} ${kind}`,
      ...(sample === undefined ? [] : [`${PREFIX}${name} ${sample}`]),
    ];
  });
  return `${lines.join('\n')}\n# EOF\n`;
}

function uptimeSeconds(state: AdminState): number {
  return (wallNowMs() - state.startedAtUnixMs) / 1_000;
}
