import type { EmbeddedService } from './hello-rules.js';
import type { HandoffMode } from './options.js';

/** The task of a server process: its first argument, as JSON. */
export type ServeTask =
  | {
      readonly role: 'broker';
      readonly directory: string;
      /** Whether the directory goes with its last server. @default false */
      readonly isTemporary?: boolean;
      /** @default a socket in `directory` */
      readonly endpoint?: string;
      readonly backlog?: number;
      readonly services: Readonly<Record<string, EmbeddedService>>;
    }
  | {
      readonly role: 'backend';
      readonly directory: string;
      /** Whether the directory goes with its last server. @default false */
      readonly isTemporary?: boolean;
      /** @default a socket in `directory` */
      readonly endpoint?: string;
      /** @default a socket in `directory` */
      readonly handoffEndpoint?: string;
      readonly backlog?: number;
      readonly handoff: HandoffMode | 'none';
    };

/** The first line a server process prints, as JSON. */
export interface ServeReady {
  readonly pid: number;
  readonly endpoint: string;
  readonly handoffEndpoint?: string;
}

/** The first line of a server process that cannot serve, as JSON. */
export interface ServeFailure {
  readonly problem: string;
}

/** The counters of a broker process; see the getters of `EmbeddedBroker`. */
export interface BrokerProcessCounts {
  readonly helloCount: number;
  readonly adminCount: number;
  readonly connectionCount: number;
  readonly handoffCount: number;
  readonly openConnections: number;
  readonly earlyHangUps: number;
}

/** The counters of a backend process; see the getters of `EmbeddedBackend`. */
export interface BackendProcessCounts {
  readonly connections: number;
  readonly acceptedCount: number;
  readonly adoptedCount: number;
}

/** A command on standard input; the answer is a line of JSON. Other lines are ignored. */
export const COUNTS_COMMAND = 'counts';

/** A command on standard input. When the input ends without it, the parent process is gone. */
export const STOP_COMMAND = 'stop';
