/**
 * A command-line tool that connects once and skips the Hello the next time:
 * `node dist/examples/ask-once.js --service demo --version 1.0.0 --cache /run/user/1000/demo/endpoints.json hello`
 *
 * `--broker ENDPOINT` asks another broker than that of the user. The directory of the cache must be private.
 */
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { BrokerPoolError, connectToBackend } from 'broker-pool/connect';

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
  const { socket, route } = await connectToBackend({
    serviceName,
    wantedVersion,
    brokerEndpoint: broker,
    endpointCache: { file },
  });
  socket.write(positionals.join(' '));
  const [answer]: Buffer[] = await once(socket, 'data');
  console.log(`${String(answer)} by ${route}`);
  socket.destroy();
} catch (error) {
  if (!(error instanceof BrokerPoolError)) throw error;
  console.error(`ask-once: ${error.message}`);
  process.exitCode = 1;
}
