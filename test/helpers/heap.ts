import { text } from 'node:stream/consumers';
import { getHeapSnapshot, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');

/** Collects all garbage now. */
export const collectGarbage: () => void = runInNewContext('gc');

/** Bytes in use after a collection: objects, and the memory of buffers. */
export function bytesInUse(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** The parts of V8's heap snapshots that are read here. */
interface HeapSnapshot {
  readonly snapshot: {
    readonly meta: {
      readonly node_fields: readonly string[];
      readonly node_types: readonly [readonly string[], ...unknown[]];
    };
  };
  /** All nodes one behind the other, each with as many numbers as there are fields. */
  readonly nodes: readonly number[];
}

/**
 * What the engine makes of functions by and by, and how it remembers the forms of objects: this grows for
 * minutes, and ends by itself.
 */
const OF_THE_ENGINE: ReadonlySet<string | undefined> = new Set(['code', 'hidden', 'object shape']);

/** The size of all objects in use, without what the engine keeps for itself, in bytes. Takes a second. */
export async function objectBytes(): Promise<number> {
  collectGarbage();
  const { snapshot, nodes }: HeapSnapshot = JSON.parse(await text(getHeapSnapshot()));
  const {
    node_fields: fields,
    node_types: [types],
  } = snapshot.meta;
  const typeAt = fields.indexOf('type');
  const sizeAt = fields.indexOf('self_size');
  let bytes = 0;
  for (let node = 0; node < nodes.length; node += fields.length) {
    if (!OF_THE_ENGINE.has(types[nodes[node + typeAt] ?? 0])) bytes += nodes[node + sizeAt] ?? 0;
  }
  return bytes;
}
