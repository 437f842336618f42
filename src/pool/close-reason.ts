/**
 * Why a connection was closed; the list is closed. `evicted`: another target needed its place (`maxTotal`).
 */
export type CloseReason =
  | 'idle'
  | 'lifetime'
  | 'uses'
  | 'dirty'
  | 'error'
  | 'invalid'
  | 'stale'
  | 'leaked'
  | 'evicted'
  | 'destroyed'
  | 'poolClosed';
