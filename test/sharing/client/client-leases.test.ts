import { DescriptorLedger } from '../../../src/os/descriptor-ledger.js';
import { ClientLeases, type LeaseMessage } from '../../../src/sharing/client/client-leases.js';
import { HostLink } from '../../../src/sharing/client/host-link.js';
import { LeaseLog } from '../../../src/sharing/lease-log.js';
import { FAKE_BACKEND } from '../../helpers/endpoints.js';
import { pooledConnection } from '../../helpers/pooled.js';
import test from '../../helpers/sanitary.js';

test('a declined lease goes back, and its token is overwritten', (t) => {
  const log = new LeaseLog();
  const host = new HostLink({ postMessage: () => {} }, new LeaseLog(log.memory));
  const leases = new ClientLeases(new DescriptorLedger().memory, host, () => {});
  const handoffToken = Uint8Array.from({ length: 16 }, (_, index) => index + 1);
  const negotiated = pooledConnection({ handoffToken }).answer?.negotiated;
  if (negotiated === undefined) return t.fail();
  const answer = { negotiated, handoffToken };
  const info = { endpoint: FAKE_BACKEND, route: 'handle-passed', answer } as const;
  const message: LeaseMessage = { kind: 'lease', acquireId: 1, connectionId: 2, slot: 0, info };
  leases.decline(message);
  t.deepEqual(handoffToken, new Uint8Array(16));
  log.read(
    (...release) => t.deepEqual(release, [1, false, false, 0]),
    () => t.fail(),
  );
  t.plan(2);
});
