/** The other side of the calibration's ping-pong: sends each message back. */
import { parentPort } from 'node:worker_threads';

parentPort?.on('message', (message: unknown) => parentPort?.postMessage(message));
