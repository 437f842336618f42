import type { DaemonProcess } from '../../src/wire/messages.js';

/** An identity with every member set. */
export const IDENTITY: DaemonProcess = {
  pid: 4_321,
  exePath: '/opt/service/bin/service',
  ipcEndpoint: { namespaceId: 'shared', path: '/run/service/service.sock' },
  startedAtUnixMs: 1_764_427_000_123n,
  bootId: '5221d9a4-5f7f-4a4c-b7a7-1c2b8f4f9e11',
  idleTimeoutSecs: 30,
  exeHashAlgorithm: 'blake3',
  exeHash: Uint8Array.from({ length: 32 }, (_, index) => index),
};
