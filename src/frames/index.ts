export { openSession, type DirectTarget } from './open-session.js';
export type { RequestOptions, SessionCloseOptions, SessionOptions } from './options.js';
export type { Session, SessionStats } from './session.js';
export type { LeasingPool } from './sources/pool-source.js';
