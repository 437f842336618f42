/** One pool, and the HTTP clients that programs have already: `node http-clients.ts`. */
import { get } from 'node:http';
import { text } from 'node:stream/consumers';
import axios from 'axios';
import { BrokerPool } from 'broker-pool';
import { httpAgent, undiciConnector } from 'broker-pool/http';
import { startTestSystem } from 'broker-pool/testing';
import { got } from 'got';
import ky from 'ky';
import { Agent, fetch as undiciFetch } from 'undici';

const system = await startTestSystem({
  backend: { onHttp: (request, response) => response.end(`hello ${request.url?.slice(1)}`) },
});
const pool = new BrokerPool({ ...system.target, max: 4 });
const agent = httpAgent(pool);
// undici and fetch keep their connections: two of the four.
const dispatcher = new Agent({ connect: undiciConnector(pool), connections: 2 });

// Node's fetch takes it, but is declared with the types of another undici.
const overPool: object = { dispatcher };

const fromNode = await new Promise<string>((resolve, reject) => {
  get('http://backend/http.get', { agent }, (response) => resolve(text(response))).on('error', reject);
});
console.log(fromNode);
console.log(await got('http://backend/got', { agent: { http: agent } }).text());
console.log((await axios.get<string>('http://backend/axios', { httpAgent: agent })).data);
console.log(await (await fetch('http://backend/fetch', overPool)).text());
console.log(await (await undiciFetch('http://backend/undici', { dispatcher })).text());
console.log(await ky('http://backend/ky', overPool).text());
console.log(`connections made: ${pool.stats().created}`);

await dispatcher.close();
await pool.close();
await system.stop();
