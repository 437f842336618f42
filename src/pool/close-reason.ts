/** Each reason to close a connection, and how often a new pool has closed one for it. */
export const NO_CLOSES = {
  idle: 0,
  lifetime: 0,
  uses: 0,
  dirty: 0,
  error: 0,
  invalid: 0,
  stale: 0,
  leaked: 0,
  evicted: 0,
  destroyed: 0,
  poolClosed: 0,
} as const;

/**
 * Why a connection was closed; the list is closed. `evicted`: another target needed its place (`maxTotal`).
 */
export type CloseReason = keyof typeof NO_CLOSES;
