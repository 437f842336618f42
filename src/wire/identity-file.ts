import type { DaemonProcess } from './identity.js';

/**
 * The content of an identity file, which lets clients find a backend without a broker: JSON, in upstream's names
 * and order (P-26).
 */
export function formatIdentityFile(identity: DaemonProcess): string {
  const { ipcEndpoint, idleTimeoutSecs } = identity;
  const content = {
    pid: identity.pid,
    exe_path: identity.exePath,
    exe_hash_algorithm: identity.exeHashAlgorithm,
    exe_hash: [...identity.exeHash],
    boot_id: identity.bootId,
    ipc_endpoint: { namespace_id: ipcEndpoint?.namespaceId ?? '', path: ipcEndpoint?.path ?? '' },
    started_at_unix_ms: Number(identity.startedAtUnixMs),
    idle_timeout_secs: idleTimeoutSecs ?? null,
  };
  return `${JSON.stringify(content, undefined, 2)}\n`;
}
