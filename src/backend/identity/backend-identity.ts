import { startedAtUnixMs } from '../../clock.js';
import { encodeDaemonProcess, type DaemonProcess } from '../../wire/messages.js';
import { executableHash } from '../../identity/hash-cache.js';
import { currentBootId, executablePath } from '../../identity/host-identity.js';

/** The identity of this process as the backend at an endpoint. Found out when it is first asked for. */
export class BackendIdentity {
  readonly #endpoint: string;
  readonly #namespace: string;
  readonly #replaced: Partial<DaemonProcess>;
  #identity: Promise<DaemonProcess> | undefined;
  #encoded: Uint8Array | undefined;

  /** @param replaced fields to tell in place of this process's own */
  constructor(endpoint: string, namespace: string, replaced: Partial<DaemonProcess>) {
    this.#endpoint = endpoint;
    this.#namespace = namespace;
    this.#replaced = replaced;
  }

  /** Rejects with the system's error where the executable cannot be read. */
  get(): Promise<DaemonProcess> {
    if (this.#identity === undefined) {
      this.#identity = this.#find();
      // The next probe tries again.
      this.#identity.catch(() => (this.#identity = undefined));
    }
    return this.#identity;
  }

  /**
   * The identity as it stands in the answer to a probe. Without the SHA-256 that upstream appends for brokers
   * of before BLAKE3 identities, which costs more time than all else.
   */
  encoded(): Uint8Array | Promise<Uint8Array> {
    return this.#encoded ?? this.get().then(encodeDaemonProcess);
  }

  async #find(): Promise<DaemonProcess> {
    const replaced = this.#replaced;
    const exePath = replaced.exePath ?? executablePath();
    const [bootId, exeHash] = await Promise.all([
      replaced.bootId ?? currentBootId(),
      replaced.exeHash ?? executableHash(exePath),
    ]);
    const identity: DaemonProcess = {
      pid: process.pid,
      ipcEndpoint: { namespaceId: this.#namespace, path: this.#endpoint },
      startedAtUnixMs: BigInt(Math.round(startedAtUnixMs)),
      exeHashAlgorithm: 'blake3',
      ...replaced,
      exePath,
      bootId,
      exeHash,
    };
    this.#encoded = encodeDaemonProcess(identity);
    return identity;
  }
}
