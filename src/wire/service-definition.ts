import { defineMessage } from './codec.js';
import type { Message } from './field-table.js';

/** Which broker a service's clients talk to. */
export const BrokerIsolation = { PRIVATE_BROKER: 0, SHARED_BROKER: 1, EXPLICIT_INSTANCE: 2 } as const;
/** A number of {@link BrokerIsolation}. */
export type BrokerIsolation = (typeof BrokerIsolation)[keyof typeof BrokerIsolation];

// The fields of W-41.
const SERVICE_DEFINITION = {
  serviceName: 'string',
  /** Absolute. */
  binaryPath: 'string',
  /** A {@link BrokerIsolation}; unknown numbers survive decoding. */
  isolation: 'enum',
  /** The instance's name with EXPLICIT_INSTANCE, else empty. */
  explicitInstance: 'string',
  /** Absolute, or empty. */
  perVersionBinaryDir: 'string',
  /** Lowest version that may be asked for; any if empty. */
  minVersion: 'string',
  /** The only versions that may be asked for; empty allows all. */
  versionAllowList: 'strings',
  labels: 'stringMap',
} as const;

/** The content of a `<service>.servicedef` file, which has no frame around it. */
export interface ServiceDefinition extends Message<typeof SERVICE_DEFINITION> {}

const codec = defineMessage('ServiceDefinition', SERVICE_DEFINITION);

/** Encodes a service definition file. Throws `INVALID_ARGUMENT` for a value that its field cannot hold. */
export const encodeServiceDefinition: (definition: Partial<ServiceDefinition>) => Uint8Array = codec.encode;

/** Decodes a service definition file. Throws `DECODE_FRAME`. */
export const decodeServiceDefinition: (body: Uint8Array) => ServiceDefinition = codec.decode;
