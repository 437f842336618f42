/** A pool against an embedded broker and echo backend: `node echo.ts`. */
import { once } from 'node:events';
import { BrokerPool } from 'broker-pool';
import { startTestSystem } from 'broker-pool/testing';

await using system = await startTestSystem();
await using pool = new BrokerPool({ ...system.target, max: 4 });

const reply = await pool.use(async ({ socket, route }) => {
  socket.write(`hello over ${route}`);
  const [chunk]: Buffer[] = await once(socket, 'data', { signal: AbortSignal.timeout(5_000) });
  return String(chunk);
});
console.log(reply);
