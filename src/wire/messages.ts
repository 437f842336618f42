/**
 * The messages of protocol v1, typed: 64-bit numbers are bigints, bytes are Uint8Arrays, enums are open
 * numbers with a constant object beside them. In a message to encode, missing fields stand for their
 * defaults. A decoded message is complete and shares no memory with the input; encoded bytes have an
 * ArrayBuffer of their own.
 */
export * from './admin.js';
export * from './control.js';
export * from './envelope.js';
export * from './handoff.js';
export * from './identity.js';
export * from './service-definition.js';
