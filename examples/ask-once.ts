/**
 * A command-line tool that connects once and skips the Hello the next time:
 * `node ask-once.ts --service demo --version 1.0.0 --cache /run/user/1000/demo/endpoints.json hello`
 *
 * `--broker ENDPOINT` asks another broker than that of the user. The directory of the cache must be private.
 */
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { connectToBackend } from 'broker-pool/connect';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    service: { type: 'string' },
    version: { type: 'string' },
    cache: { type: 'string' },
    broker: { type: 'string' },
  },
});
const { service: serviceName = '', version: wantedVersion = '', cache: file = '', broker } = values;

try {
  // All steps together, the answer included: a backend that ends or is silent may send none.
  const signal = AbortSignal.timeout(10_000);
  const { socket, route } = await connectToBackend({
    serviceName,
    wantedVersion,
    brokerEndpoint: broker,
    endpointCache: { file },
    signal,
  });
  socket.write(positionals.join(' '));
  const [answer]: Buffer[] = await once(socket, 'data', { signal });
  console.log(`${String(answer)} by ${route}`);
  socket.destroy();
} catch (error) {
  // An error of this package, or of the socket, whose errors are Node's own.
  console.error(`ask-once: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
