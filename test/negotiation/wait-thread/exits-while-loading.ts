/**
 * A program that calls `process.exit()` while its wait thread loads the C library: `node
 * exits-while-loading.js DIRECTORY`.
 */
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../../src/clock.js';
import { EventLoopDriver } from '../../../src/negotiation/event-loop/event-loop-driver.js';
import { WorkerDriver } from '../../../src/negotiation/wait-thread/worker-driver.js';
import { loadNative } from '../../../src/os/native.js';
import { BEGINS, NOTES_VARIABLE } from '../../helpers/loading-worker.js';

const directory = process.argv[2] ?? '';
process.env[NOTES_VARIABLE] = directory;
const native = loadNative();
if (native === undefined) throw new Error('no threads here');
const workerUrl = new URL('../../helpers/loading-worker.js', import.meta.url).href;
void new WorkerDriver(native, { fallback: new EventLoopDriver(systemClock, native), workerUrl }).warm();
while (!existsSync(`${directory}/${BEGINS}`)) await delay(5);
process.exit(5);
