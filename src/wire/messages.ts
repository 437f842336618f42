/**
 * The messages of protocol v1, typed: 64-bit numbers are bigints, bytes are Uint8Arrays, enums are open
 * numbers with a constant object beside them. In a message to encode, missing fields stand for their
 * defaults. What is decoded is complete and shares no memory with the input; what is encoded has an
 * ArrayBuffer of its own.
 */
export * from './admin.js';
export * from './control.js';
export * from './frame-message.js';
export * from './handoff.js';
export * from './identity.js';
export * from './protocols.js';
export * from './service-definition.js';
