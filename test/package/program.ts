/** An echo over the package, as a program of a user gets it from its own `node_modules`. */
export const PROGRAM = `
import { once } from 'node:events';
import { BrokerPool } from 'broker-pool';
import { connectToBackend } from 'broker-pool/connect';
import { startTestSystem } from 'broker-pool/testing';

const system = await startTestSystem();
const say = async ({ socket, route }) => {
  socket.write('ping');
  const [answer] = await once(socket, 'data');
  return answer + ' by ' + route;
};
const connection = await connectToBackend(system.target);
console.log(await say(connection));
connection.socket.destroy();
try {
  const pool = new BrokerPool(system.target);
  console.log(await pool.use(say));
  console.log(pool.stats().driver);
  await pool.close();
} catch (error) {
  console.log(error.code);
}
await system.stop();
`;

/** Its output where the C library and the wait thread work. */
export const PRINTED = 'ping by broker-negotiated\nping by broker-negotiated\nworker\n';

/** The same in a test of Jest. */
export const JEST_TEST = `
test('a pool leases a connection', async () => {
  const { BrokerPool } = await import('broker-pool');
  const { startTestSystem } = await import('broker-pool/testing');
  const system = await startTestSystem();
  const pool = new BrokerPool(system.target);
  const route = await pool.use((lease) => lease.route);
  await pool.close();
  await system.stop();
  expect(route).toBe('broker-negotiated');
});
`;
