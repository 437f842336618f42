import type { EmbeddedService } from '../../src/testing/hello-rules.js';

/** The task of a peer process: its first argument, as JSON. */
export type PeerTask = { readonly seed: number } & (
  | {
      readonly role: 'broker';
      readonly endpoint: string;
      readonly services: Readonly<Record<string, EmbeddedService>>;
    }
  | { readonly role: 'backend'; readonly endpoint: string; readonly handoffEndpoint: string | undefined }
  | { readonly role: 'frames'; readonly endpoint: string; readonly identityFile: string }
);

/** The payload protocol of the backend for frames. */
export const FRAME_PROTOCOL = 0xf00d;

/** The line that it prints when it serves. */
export const READY_LINE = 'ready';

/** Tells a broker to leave every request without an answer, until the next number. */
export const SILENT_LINE = 'silent';
