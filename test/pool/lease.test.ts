import { inspect } from 'node:util';
import { PooledSocket } from '../../src/os/pooled-socket.js';
import { Lease, leaseOf } from '../../src/pool/lease.js';
import { FAKE_BACKEND, FAKE_BROKER } from '../helpers/endpoints.js';
import { NotingOwner, pooledConnection } from '../helpers/pooled.js';
import test from '../helpers/sanitary.js';

const uses: Readonly<Record<string, (lease: Lease) => unknown>> = {
  socket: (lease) => lease.socket,
  endpoint: (lease) => lease.endpoint,
  route: (lease) => lease.route,
  negotiated: (lease) => lease.negotiated,
  handoffToken: (lease) => lease.handoffToken,
  connectionId: (lease) => lease.connectionId,
  release: (lease) => lease.release(),
  destroy: (lease) => lease.destroy(),
  detach: (lease) => lease.detach(),
};

const ENDS = [
  (lease: Lease) => lease.release(),
  (lease: Lease) => lease.destroy(),
  (lease: Lease) => void lease.detach(),
];

for (const [name, use] of Object.entries(uses)) {
  test(`${name} of a lease that has been released, destroyed or detached throws`, (t) => {
    for (const end of ENDS) {
      const owner = new NotingOwner();
      const lease = leaseOf(pooledConnection({ owner }));
      t.notThrows(() => ['release', 'destroy', 'detach'].includes(name) || use(lease));
      end(lease);
      t.true(lease.spent);
      t.throws(() => use(lease), {
        code: 'INVALID_ARGUMENT',
        message: 'lease has been released, destroyed or detached already; acquire another one',
      });
      t.is(owner.notes.length, 1, 'its connection hears of one end only');
    }
  });
}

test('the pool hears of a release, and of a destruction with its reason', (t) => {
  const owner = new NotingOwner();
  const connection = pooledConnection({ owner });
  leaseOf(connection).release();
  leaseOf(connection).destroy();
  leaseOf(connection).destroy('invalid');
  t.deepEqual(owner.notes, [
    `released ${connection.id}`,
    `destroyed ${connection.id} destroyed`,
    `destroyed ${connection.id} invalid`,
  ]);
});

test('an old handle cannot release the connection that another caller has leased since', (t) => {
  const owner = new NotingOwner();
  const connection = pooledConnection({ owner });
  const old = leaseOf(connection);
  old.release();
  const current = leaseOf(connection);
  t.throws(() => old.release(), { code: 'INVALID_ARGUMENT' });
  t.throws(() => old.destroy(), { code: 'INVALID_ARGUMENT' });
  t.false(current.spent);
  t.is(owner.notes.length, 1);
});

test('an object that is no lease of a pool has no connection', (t) => {
  const foreign: Lease = Object.create(Lease.prototype);
  t.throws(() => foreign.release(), { instanceOf: TypeError });
  t.throws(() => foreign.destroy(), { instanceOf: TypeError });
});

test('a connection needs a reset only after its lease was asked for the socket', (t) => {
  const connection = pooledConnection();
  const lease = leaseOf(connection);
  void [lease.endpoint, lease.route, lease.connectionId];
  t.false(PooledSocket.needsReset(connection.socket));
  t.is(lease.socket, connection.socket);
  t.true(PooledSocket.needsReset(connection.socket));
});

test('await using releases at the end, unless that has been done', async (t) => {
  const owner = new NotingOwner();
  const connection = pooledConnection({ owner });
  {
    await using lease = leaseOf(connection);
    t.false(lease.spent);
  }
  {
    await using lease = leaseOf(connection);
    lease.destroy();
  }
  t.deepEqual(owner.notes, [`released ${connection.id}`, `destroyed ${connection.id} destroyed`]);
});

test('a printed lease shows neither the token nor the pool behind it, and neither does its socket', (t) => {
  const token = Uint8Array.from({ length: 16 }, (_, index) => 200 + index);
  const connection = pooledConnection({ handoffToken: token });
  const lease = leaseOf(connection);
  t.is(lease.handoffToken, token);
  const printed = `Lease of connection ${connection.id} to ${FAKE_BACKEND} (broker-negotiated)`;
  t.is(inspect(lease), printed);
  t.is(inspect({ lease }, { depth: 9, showHidden: true, breakLength: Infinity }), `{ lease: ${printed} }`);
  t.false(inspect(lease.socket, { depth: 9, showHidden: true }).includes('200, 201'));
  lease.release();
  t.is(inspect(lease), 'Lease (spent)');
});

test('a lease in JSON names its connection and target, and neither token nor pool', (t) => {
  const target = { brokerEndpoint: FAKE_BROKER, serviceName: 'demo', wantedVersion: '1.0.0' };
  const owner = Object.assign(new NotingOwner(), { target });
  const connection = pooledConnection({ owner, handoffToken: new Uint8Array(16).fill(7) });
  const lease = leaseOf(connection);
  const described = {
    state: 'leased',
    connectionId: connection.id,
    endpoint: FAKE_BACKEND,
    route: 'broker-negotiated',
    target,
  };
  t.deepEqual(JSON.parse(JSON.stringify({ lease })), { lease: described });
  t.is(
    inspect(lease),
    `Lease of connection ${connection.id} to ${FAKE_BACKEND} (demo 1.0.0, broker-negotiated)`,
  );
  lease.release();
  t.is(JSON.stringify(lease), '{"state":"spent"}');
});

test('a promise can be resolved with a lease', async (t) => {
  const lease = leaseOf(pooledConnection());
  t.is(await Promise.resolve(lease), lease);
});
