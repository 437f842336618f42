/** One pool for all threads of a process: `node shared-pool.ts`. */
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { BrokerPool, connectSharedPool } from 'broker-pool';
import { startTestSystem } from 'broker-pool/testing';

if (isMainThread) {
  await using system = await startTestSystem();
  await using pool = new BrokerPool({ ...system.target, max: 1 });
  for (const name of ['first', 'second']) {
    const port = pool.share();
    const worker = new Worker(new URL(import.meta.url), { workerData: { port, name }, transferList: [port] });
    // Asked for at once: a thread that ends quickly tells both in one go.
    const ended = once(worker, 'exit');
    const [reply]: string[] = await once(worker, 'message');
    console.log(reply);
    await ended;
  }
  console.log(`connections made: ${pool.stats().created}`);
} else {
  await using shared = await connectSharedPool(workerData.port);
  const reply = await shared.use(async ({ socket }) => {
    socket.write(`hello from the ${workerData.name} thread`);
    const [chunk]: Buffer[] = await once(socket, 'data', { signal: AbortSignal.timeout(5_000) });
    return String(chunk);
  });
  parentPort?.postMessage(reply);
}
