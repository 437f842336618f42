import type { ExecutionContext } from 'ava';
import { endpointIn } from '../helpers/endpoints.js';
import { temporaryDirectory } from '../helpers/sanitary.js';
import { HostilePeer, type Conduct } from './hostile-peer.js';

/** A peer that closes when the test is over. */
export async function hostilePeer(t: ExecutionContext, conduct: Conduct): Promise<HostilePeer> {
  const peer = await HostilePeer.listen(endpointIn(temporaryDirectory(t), 'peer'), conduct);
  t.teardown(() => peer.close());
  return peer;
}
