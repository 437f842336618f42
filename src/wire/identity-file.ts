import type { DaemonProcess } from './identity.js';

const MAX_U32 = 0xffff_ffff;
/** Bytes of a BLAKE3 hash. */
const HASH_BYTES = 32;

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

/**
 * The identity in the content of an identity file. Other members are passed over, as is the order (P-26).
 *
 * @throws an `Error` that names what is missing
 */
export function parseIdentityFile(text: string): DaemonProcess {
  const content: unknown = JSON.parse(text);
  const member = (name: string, from: unknown = content): unknown =>
    typeof from === 'object' && from !== null ? Reflect.get(from, name) : undefined;
  const string = (name: string, from?: unknown): string => {
    const value = member(name, from);
    if (typeof value === 'string') return value;
    throw new Error(`${name} is no string`);
  };
  const integer = (name: string, most: number): number => {
    const value = member(name);
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most) return value;
    throw new Error(`${name} is no whole number from 0 to ${most}`);
  };
  const exeHashAlgorithm = string('exe_hash_algorithm');
  if (exeHashAlgorithm !== 'blake3') throw new Error('exe_hash_algorithm is not blake3');
  const endpoint = member('ipc_endpoint');
  const idle = member('idle_timeout_secs');
  return {
    pid: integer('pid', MAX_U32),
    exePath: string('exe_path'),
    ipcEndpoint: { namespaceId: string('namespace_id', endpoint), path: string('path', endpoint) },
    startedAtUnixMs: BigInt(integer('started_at_unix_ms', Number.MAX_SAFE_INTEGER)),
    bootId: string('boot_id'),
    exeHashAlgorithm,
    exeHash: hashIn(member('exe_hash')),
    ...(idle === null || idle === undefined
      ? {}
      : { idleTimeoutSecs: integer('idle_timeout_secs', MAX_U32) }),
  };
}

function hashIn(value: unknown): Uint8Array {
  const isByte = (one: unknown): one is number =>
    typeof one === 'number' && Number.isInteger(one) && one >= 0 && one <= 255;
  if (Array.isArray(value) && value.length === HASH_BYTES && value.every(isByte))
    return Uint8Array.from(value);
  throw new Error(`exe_hash is no array of ${HASH_BYTES} bytes`);
}
