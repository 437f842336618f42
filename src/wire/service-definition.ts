import { defineMessage } from './codec.js';
import { openEnum, text, textMap, texts } from './fields.js';

/** Which broker a service's clients talk to (W-41). */
export const BrokerIsolation = { PRIVATE_BROKER: 0, SHARED_BROKER: 1, EXPLICIT_INSTANCE: 2 } as const;
/** A number of {@link BrokerIsolation}. */
export type BrokerIsolation = (typeof BrokerIsolation)[keyof typeof BrokerIsolation];

/** The content of a `<service>.servicedef` file, which has no frame around it (W-41, D-02). */
export interface ServiceDefinition {
  readonly serviceName: string;
  /** Absolute. */
  readonly binaryPath: string;
  /** A {@link BrokerIsolation}; unknown numbers survive decoding (W-23). */
  readonly isolation: number;
  /** The instance's name with EXPLICIT_INSTANCE, else empty. */
  readonly explicitInstance: string;
  /** Absolute, or empty. */
  readonly perVersionBinaryDir: string;
  /** Lowest version that may be asked for; any if empty. */
  readonly minVersion: string;
  /** The only versions that may be asked for; empty allows all. */
  readonly versionAllowList: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

const codec = defineMessage<ServiceDefinition, 'ServiceDefinition'>('ServiceDefinition', {
  serviceName: text,
  binaryPath: text,
  isolation: openEnum,
  explicitInstance: text,
  perVersionBinaryDir: text,
  minVersion: text,
  versionAllowList: texts,
  labels: textMap,
});

/** Encodes a service definition file. Throws `INVALID_ARGUMENT` for a value that its field cannot hold. */
export const encodeServiceDefinition: (definition: Partial<ServiceDefinition>) => Uint8Array = codec.encode;

/** Decodes a service definition file. Throws `DECODE_FRAME`. */
export const decodeServiceDefinition: (body: Uint8Array) => ServiceDefinition = codec.decode;
