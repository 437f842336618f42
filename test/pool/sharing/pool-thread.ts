/** A thread that has the pool, and sends a port of it to whoever started it; it ends when it is told to. */
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../../../src/clock.js';
import { BrokerPool } from '../../../src/index.js';
import { EventLoopDriver } from '../../../src/negotiation/loop.js';

// The wait thread's poller would stay open: Node does not know it, so a thread that ends does not close it.
const pool = new BrokerPool(workerData, { createDriver: () => new EventLoopDriver(systemClock, undefined) });
const port = pool.share();
parentPort?.postMessage(port, [port]);
parentPort?.once('message', () => process.exit());
