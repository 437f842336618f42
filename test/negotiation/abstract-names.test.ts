/**
 * Abstract names of Linux, which Node 20 fills up with NULs where it listens: all drivers find the same
 * listeners.
 */
import { closed, echo, startSystem } from '../helpers/system.js';
import { testWhere } from '../helpers/test-where.js';
import { connectionOf, DRIVERS, failureOf, handshakeJob, openDriver, run } from './drivers-kit.js';

const linuxTest = testWhere(process.platform === 'linux', 'abstract names');

function nameFor(role: string, driver: string): string {
  return `\0broker-pool-test-${process.pid}-${role}-${driver.replaceAll(' ', '-')}`;
}

for (const [name, create] of DRIVERS) {
  linuxTest(`${name}: broker and backend may have abstract names, and listen with Node`, async (t) => {
    const { broker } = await startSystem(t, {
      backend: { endpoint: nameFor('backend', name) },
      broker: { endpoint: nameFor('broker', name) },
    });
    const { socket, endpoint } = connectionOf(
      await run(openDriver(t, create), handshakeJob(broker.endpoint)),
    );
    t.is(endpoint, nameFor('backend', name));
    t.is(await echo(socket, 'hello'), 'hello');
    await closed(socket);
  });

  linuxTest(
    `${name}: an abstract name without a listener is refused, the broker's and the backend's`,
    async (t) => {
      const { broker } = await startSystem(t);
      const driver = openDriver(t, create);
      const noBroker = failureOf(await run(driver, handshakeJob(nameFor('no broker', name))));
      t.like(noBroker, { code: 'BROKER_CONNECT', system: { code: 'ECONNREFUSED', syscall: 'connect' } });
      broker.behaviour = { kind: 'negotiate', negotiated: { backendPipe: nameFor('no backend', name) } };
      const noBackend = failureOf(await run(driver, handshakeJob(broker.endpoint)));
      t.like(noBackend, { code: 'BACKEND_CONNECT', system: { code: 'ECONNREFUSED', syscall: 'connect' } });
    },
  );
}
