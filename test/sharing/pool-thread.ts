/** A thread that has the pool, and sends a port of it to its parent. It ends when it is told to. */
import { parentPort, workerData } from 'node:worker_threads';
import { BrokerPool } from '../../src/index.js';

const pool = new BrokerPool(workerData);
const port = pool.share();
parentPort?.postMessage(port, [port]);
parentPort?.once('message', () => process.exit());
