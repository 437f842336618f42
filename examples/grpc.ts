/**
 * gRPC to the backend that a broker names: `node grpc.ts`.
 *
 * grpc-js dials its connections itself, so it is told where: by a resolver, which is an experimental part of its API.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import {
  credentials,
  experimental,
  makeGenericClientConstructor,
  Metadata,
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerUnaryCall,
} from '@grpc/grpc-js';
import { BrokerPool } from 'broker-pool';
import { startTestSystem } from 'broker-pool/testing';

/** Lets grpc-js reach `broker:service/version`. */
function registerBrokerResolver(pool: BrokerPool): void {
  class BrokerResolver implements experimental.Resolver {
    readonly #target: { readonly serviceName: string; readonly wantedVersion: string };
    readonly #listener: experimental.ResolverListener;
    #hasAnswered = false;
    #isDestroyed = false;

    constructor({ path }: experimental.GrpcUri, listener: experimental.ResolverListener) {
      const [serviceName = '', wantedVersion = ''] = path.split('/');
      this.#target = { serviceName, wantedVersion };
      this.#listener = listener;
    }

    updateResolution(): void {
      this.#isDestroyed = false;
      // Asked again: the connection was lost, and the endpoint may be out of date.
      if (this.#hasAnswered) pool.clear(this.#target);
      void this.#resolve();
    }

    destroy(): void {
      this.#isDestroyed = true;
      this.#hasAnswered = false;
    }

    async #resolve(): Promise<void> {
      let answer: experimental.StatusOr<experimental.Endpoint[]>;
      try {
        const { endpoint } = await pool.resolve(this.#target);
        answer = experimental.statusOrFromValue([{ addresses: [{ path: endpoint }] }]);
        this.#hasAnswered = true;
      } catch (error) {
        const details = error instanceof Error ? error.message : String(error);
        answer = experimental.statusOrFromError({
          code: status.UNAVAILABLE,
          details,
          metadata: new Metadata(),
        });
      }
      if (!this.#isDestroyed) this.#listener(answer, {}, null, '');
    }

    static getDefaultAuthority(): string {
      return 'localhost';
    }
  }
  experimental.registerResolver('broker', BrokerResolver);
}

const definition = {
  greet: {
    path: '/demo.Greeter/Greet',
    requestStream: false,
    responseStream: false,
    requestSerialize: (text: string) => Buffer.from(text),
    requestDeserialize: (bytes: Buffer) => bytes.toString(),
    responseSerialize: (text: string) => Buffer.from(text),
    responseDeserialize: (bytes: Buffer) => bytes.toString(),
  },
};

const directory = mkdtempSync(join(tmpdir(), 'grpc-'));
// Windows has pipes in place of socket files.
const endpoint =
  process.platform === 'win32' ? `\\\\.\\pipe\\${basename(directory)}` : join(directory, 'backend.sock');
const server = new Server();
server.addService(definition, {
  greet: ({ request }: ServerUnaryCall<string, string>, answer: sendUnaryData<string>) =>
    answer(null, `hello ${request}`),
});
await new Promise<void>((resolve, reject) => {
  server.bindAsync(`unix:${endpoint}`, ServerCredentials.createInsecure(), (error) =>
    error === null ? resolve() : reject(error),
  );
});
const system = await startTestSystem({ service: { endpoint } });
const pool = new BrokerPool(system.target);

registerBrokerResolver(pool);
const { serviceName, wantedVersion } = system.target;
const Greeter = makeGenericClientConstructor(definition, 'Greeter');

/** One call, to a service and version. */
function greet(service: string, version: string): Promise<string> {
  const client = new Greeter(`broker:${service}/${version}`, credentials.createInsecure());
  return new Promise((resolve) => {
    client['greet']?.('gRPC', (error: Error | null, text: string) => {
      client.close();
      resolve(error === null ? text : error.message);
    });
  });
}

console.log(await greet(serviceName, wantedVersion));
console.log(await greet('unknown', wantedVersion));

await pool.close();
server.forceShutdown();
await system.stop();
rmSync(directory, { recursive: true, force: true });
