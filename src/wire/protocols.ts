import { invalidArgument } from '../errors.js';

/** Registered values of `Frame.payloadProtocol`: what the payload of a frame is (W-60, W-62). */
export const PayloadProtocol = {
  /** Hello and HelloReply. */
  CONTROL: 0x0000,
  /** AdminRequest and AdminReply. */
  ADMIN: 0xad01,
  /** The identity probe: a nonce, answered by the nonce and a DaemonProcess. */
  IDENTITY_PROBE: 0xb232,
  /** HandoffOffer and HandoffAck. */
  HANDOFF: 0xd0ff,
  /** Registered for a session proxy, but not reserved against consumers (W-61). */
  SESSION: 0x5350,
  ZCCACHE: 0x7a63,
  CLUD: 0x7c4c,
  FBUILD: 0x7eb1,
} as const;

/** The ids that frames of the broker protocol itself use; no consumer may declare them (W-61). */
export const FIRST_PARTY_PROTOCOLS: ReadonlySet<number> = new Set([
  PayloadProtocol.CONTROL,
  PayloadProtocol.ADMIN,
  PayloadProtocol.IDENTITY_PROBE,
  PayloadProtocol.HANDOFF,
]);

/** A payload protocol the way upstream prints it: `0xAD01`. */
export function formatProtocol(id: number): string {
  return `0x${id.toString(16).toUpperCase().padStart(4, '0')}`;
}

/**
 * Checks an id under which a service and its clients exchange their own frames, and returns it: 0x7000 to
 * 0x7EFF for registered consumers, 0xF000 to 0xFFFF for private use (W-62, W-63).
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT` when the broker protocol uses the id itself, or it lies
 * elsewhere.
 */
export function declareConsumerProtocol(id: number): number {
  if (FIRST_PARTY_PROTOCOLS.has(id)) {
    throw invalidArgument('payloadProtocol', `${formatProtocol(id)} belongs to the broker protocol`);
  }
  const inConsumerRange = id >= 0x7000 && id <= 0x7eff;
  const inPrivateRange = id >= 0xf000 && id <= 0xffff;
  if (!Number.isInteger(id) || !(inConsumerRange || inPrivateRange)) {
    const ranges = 'the consumer range (0x7000 to 0x7EFF) and the private range (0xF000 to 0xFFFF)';
    throw invalidArgument('payloadProtocol', `${formatProtocol(id)} lies outside ${ranges}`);
  }
  return id;
}
