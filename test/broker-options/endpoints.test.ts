import { readFileSync } from 'node:fs';
import test from '../helpers/sanitary.js';
import { testWhere } from '../helpers/test-where.js';
import * as fc from 'fast-check';
import {
  instanceBrokerEndpoint,
  serviceBrokerEndpoint,
  sharedBrokerEndpoint,
} from '../../src/broker-options/endpoints.js';
import type { EndpointNameOptions } from '../../src/broker-options/endpoints.js';
import { shortHash, userHash } from '../../src/broker-options/user-hash.js';
import { BrokerPoolError } from '../../src/errors.js';
import { BrokerPool, connectToBackend, sendAdminRequest } from '../../src/index.js';
import { checkEndpoint } from '../../src/endpoint.js';

/** Endpoints that the published Rust crate derives; the file says which one and how. */
interface Vectors {
  readonly uid: number;
  readonly userHash: string;
  readonly serviceName: string;
  readonly instanceName: string;
  readonly hashes: readonly { readonly text: string; readonly hash: string }[];
  readonly linux: readonly {
    readonly runtimeDirectory: string | null;
    readonly shared: string;
    readonly service: string;
    readonly instance: string;
  }[];
  readonly lengths: readonly { readonly serviceNameLength: number; readonly endpoint: string | null }[];
}
const vectors: Vectors = JSON.parse(
  readFileSync(new URL('../../../test/broker-options/endpoint-vectors.json', import.meta.url), 'utf8'),
);

const HASH = '0123456789abcdef';
const linux = {
  platform: 'linux',
  uid: 1000,
  userHash: HASH,
  env: { XDG_RUNTIME_DIR: '/run/user/1000' },
} as const;
const mac = { platform: 'darwin', uid: 501, userHash: HASH, env: { TMPDIR: '/var/folders/ab/T/' } } as const;
const windows = { platform: 'win32', userHash: HASH, env: {} } as const;

test('names hash as in the Rust crate (N-01, N-05)', (t) => {
  for (const { text, hash } of vectors.hashes) t.is(shortHash(text), hash, text);
});

test('Linux endpoints are the same bytes as in the Rust crate, or are refused where the crate derives a relative path (N-03, N-04)', (t) => {
  for (const { runtimeDirectory, shared, service, instance } of vectors.linux) {
    const env = { XDG_RUNTIME_DIR: runtimeDirectory ?? undefined };
    const options = { platform: 'linux', env, uid: vectors.uid, userHash: vectors.userHash } as const;
    if (!shared.startsWith('/')) {
      t.throws(() => sharedBrokerEndpoint(options), { code: 'INVALID_ARGUMENT', message: /XDG_RUNTIME_DIR/ });
      continue;
    }
    t.is(sharedBrokerEndpoint(options), shared);
    t.is(serviceBrokerEndpoint(vectors.serviceName, options), service);
    t.is(instanceBrokerEndpoint(vectors.instanceName, options), instance);
  }
});

test('derived endpoints are too long where those of the Rust crate are (N-07)', (t) => {
  for (const { serviceNameLength, endpoint } of vectors.lengths) {
    const derive = (): string =>
      serviceBrokerEndpoint('a'.repeat(serviceNameLength), { ...linux, userHash: vectors.userHash });
    if (endpoint === null)
      t.throws(derive, { code: 'INVALID_ARGUMENT', message: /^derived endpoint is \d+ bytes long/ });
    else t.is(derive(), endpoint);
  }
});

test('on Linux endpoints lie in the runtime directory of the user (N-03, N-04)', (t) => {
  const directory = '/run/user/1000/running-process/broker';
  t.is(sharedBrokerEndpoint(linux), `${directory}/rpb-v1-${HASH}-shared.sock`);
  t.is(serviceBrokerEndpoint('zccache', linux), `${directory}/rpb-v1-${HASH}-svc-zccache.sock`);
  t.is(instanceBrokerEndpoint('ci-trusted', linux), `${directory}/rpb-v1-${HASH}-inst-ci-trusted.sock`);
});

test('on Linux without a runtime directory endpoints lie in /tmp, apart for each user (N-04)', (t) => {
  t.is(
    sharedBrokerEndpoint({ ...linux, env: {} }),
    `/tmp/running-process-1000/broker/rpb-v1-${HASH}-shared.sock`,
  );
});

test('a runtime directory that is empty, relative or has a NUL is refused by the name of its variable', (t) => {
  for (const directory of ['', 'here', './here', '../here', '/run/a\0b']) {
    for (const derive of [
      () => below(directory),
      () => serviceBrokerEndpoint('a', { ...linux, env: { XDG_RUNTIME_DIR: directory } }),
    ]) {
      t.throws(derive, {
        code: 'INVALID_ARGUMENT',
        message: /^the environment variable XDG_RUNTIME_DIR must be an absolute path, got "/,
      });
    }
  }
});

test('a temporary directory that is empty or relative is refused on macOS by the name of its variable', (t) => {
  for (const directory of ['', 'T', './T']) {
    const options = { ...mac, env: { TMPDIR: directory } };
    t.throws(() => sharedBrokerEndpoint(options), {
      code: 'INVALID_ARGUMENT',
      message: /^the environment variable TMPDIR must be an absolute path, got "/,
    });
  }
});

test('a variable that this system does not use may hold anything', (t) => {
  t.notThrows(() => sharedBrokerEndpoint({ ...linux, env: { ...linux.env, TMPDIR: '' } }));
  t.notThrows(() => sharedBrokerEndpoint({ ...mac, env: { ...mac.env, XDG_RUNTIME_DIR: 'here' } }));
});

const onLinux = testWhere(process.platform === 'linux', 'XDG_RUNTIME_DIR', test.serial);

onLinux(
  'a pool, a connect and an admin request refuse a relative runtime directory before they dial',
  async (t) => {
    const before = process.env['XDG_RUNTIME_DIR'];
    process.env['XDG_RUNTIME_DIR'] = '';
    try {
      const refused = { code: 'INVALID_ARGUMENT', message: /XDG_RUNTIME_DIR/ } as const;
      t.throws(() => new BrokerPool(), refused);
      await t.throwsAsync(connectToBackend({ serviceName: 'demo', wantedVersion: '1.0.0' }), refused);
      await t.throwsAsync(sendAdminRequest({ verb: 'HEALTHZ' }), refused);
      t.notThrows(() => new BrokerPool({ brokerEndpoint: '/run/broker.sock' }), 'the variable is not needed');
    } finally {
      if (before === undefined) delete process.env['XDG_RUNTIME_DIR'];
      else process.env['XDG_RUNTIME_DIR'] = before;
    }
  },
);

function below(XDG_RUNTIME_DIR: string): string {
  return sharedBrokerEndpoint({ ...linux, env: { XDG_RUNTIME_DIR } });
}

test('the runtime directory is taken as it is written (N-04)', (t) => {
  const rest = `running-process/broker/rpb-v1-${HASH}-shared.sock`;
  t.is(below('/'), `/${rest}`);
  t.is(below('/run/x/'), `/run/x/${rest}`);
  t.is(below('/run//x/../y'), `/run//x/../y/${rest}`);
});

test('on macOS the leaf is hashed and lies in TMPDIR, else in /tmp, apart for each user (N-05)', (t) => {
  const leaf = `${shortHash(`rpb-v1-${HASH}-shared`)}.sock`;
  t.is(sharedBrokerEndpoint(mac), `/var/folders/ab/T/.rp-501/${leaf}`);
  t.is(
    sharedBrokerEndpoint({ ...mac, env: { TMPDIR: '/var/folders/ab/T' } }),
    `/var/folders/ab/T/.rp-501/${leaf}`,
  );
  t.is(sharedBrokerEndpoint({ ...mac, env: { XDG_RUNTIME_DIR: '/run/user/501' } }), `/tmp/.rp-501/${leaf}`);
});

test('on Windows an endpoint is a pipe name, whatever the environment says (N-06)', (t) => {
  t.is(sharedBrokerEndpoint(windows), `\\\\.\\pipe\\rpb-v1-${HASH}-shared`);
  t.is(
    instanceBrokerEndpoint('dev', { ...windows, env: { TMPDIR: '/x', XDG_RUNTIME_DIR: '/y' } }),
    `\\\\.\\pipe\\rpb-v1-${HASH}-inst-dev`,
  );
});

test('every derived endpoint can be dialled on its system, or is refused as too long (N-07)', (t) => {
  const names = fc.integer({ min: 1, max: 64 }).map((length) => 'a-9'.repeat(length).slice(0, length));
  const directories = fc.nat(120).map((length) => `/${'b/'.repeat(length).slice(0, length)}`);
  const outcomes = { fits: 0, tooLong: 0 };
  fc.assert(
    fc.property(
      names,
      directories,
      fc.constantFrom<EndpointNameOptions>(linux, mac, windows),
      (name, directory, system) => {
        const options = { ...system, env: { XDG_RUNTIME_DIR: directory, TMPDIR: directory } };
        try {
          const endpoint = serviceBrokerEndpoint(name, options);
          outcomes.fits++;
          return checkEndpoint('brokerEndpoint', endpoint, options.platform) === endpoint;
        } catch (error) {
          outcomes.tooLong++;
          return (
            error instanceof BrokerPoolError &&
            error.code === 'INVALID_ARGUMENT' &&
            /^derived endpoint is \d+ bytes long/.test(error.message)
          );
        }
      },
    ),
    { numRuns: 300 },
  );
  t.true(outcomes.fits > 0 && outcomes.tooLong > 0);
});

test('an endpoint that no socket address can hold is refused with its length (N-07)', (t) => {
  // 107 bytes are one less than Linux's address has room for; macOS has 104, the final NUL included.
  const longest = 'a'.repeat(36);
  t.is(serviceBrokerEndpoint(longest, linux).length, 107);
  const message = /^derived endpoint is 108 bytes long, the limit on linux is 107: "\/run\/user\/1000\//;
  t.throws(() => serviceBrokerEndpoint(`${longest}a`, linux), { code: 'INVALID_ARGUMENT', message });
  const deep = `/${'a'.repeat(72)}`;
  t.is(sharedBrokerEndpoint({ ...mac, env: { TMPDIR: deep } }).length, 103);
  const limit = /is 104 bytes long, the limit on darwin is 103/;
  t.throws(() => sharedBrokerEndpoint({ ...mac, env: { TMPDIR: `${deep}a` } }), {
    code: 'INVALID_ARGUMENT',
    message: limit,
  });
});

test('names of services and instances are checked before they become paths (N-20)', (t) => {
  for (const name of ['', '../x', 'Zccache', 'a'.repeat(65)]) {
    t.throws(() => serviceBrokerEndpoint(name, linux), {
      code: 'INVALID_ARGUMENT',
      message: /^serviceName must be/,
    });
    t.throws(() => instanceBrokerEndpoint(name, linux), {
      code: 'INVALID_ARGUMENT',
      message: /^instanceName must be/,
    });
  }
});

test('a user hash must be 16 lowercase hex digits (N-21)', (t) => {
  for (const hash of ['', HASH.toUpperCase(), `${HASH}0`]) {
    t.throws(() => sharedBrokerEndpoint({ ...linux, userHash: hash }), {
      code: 'INVALID_ARGUMENT',
      message: /^userHash must be 16/,
    });
  }
});

test('impossible options are INVALID_ARGUMENT', (t) => {
  const misspelt = { ...linux, userHsh: HASH };
  t.throws(() => sharedBrokerEndpoint(misspelt), {
    code: 'INVALID_ARGUMENT',
    message: /did you mean userHash\?$/,
  });
  t.throws(() => sharedBrokerEndpoint({ ...linux, uid: -1 }), {
    code: 'INVALID_ARGUMENT',
    message: /^uid must be/,
  });
  t.throws(() => sharedBrokerEndpoint({ ...linux, platform: 'freebsd' }), {
    code: 'INVALID_ARGUMENT',
    message: /^platform has no derived endpoints: "freebsd"/,
  });
});

test("another system's endpoint needs a user hash, for this machine's would be wrong", (t) => {
  const platform = process.platform === 'win32' ? 'linux' : 'win32';
  t.throws(() => sharedBrokerEndpoint({ platform }), {
    code: 'INVALID_ARGUMENT',
    message: /^userHash must be given/,
  });
});

test('by default an endpoint is derived for the real user on this machine', (t) => {
  // Where the machine tells no id (an unusual container), both fail alike.
  const hash = attempt(() => userHash());
  const endpoint = attempt(() => sharedBrokerEndpoint({ env: {} }));
  if (hash instanceof Error) t.deepEqual(endpoint, hash);
  else t.is(endpoint, sharedBrokerEndpoint({ env: {}, userHash: hash }));
});

test('the user id goes into both the hash and the path', (t) => {
  const hash = attempt(() => userHash(4_242));
  if (hash instanceof Error || process.platform !== 'linux') {
    t.pass('only Linux shows both');
    return;
  }
  t.is(
    sharedBrokerEndpoint({ env: {}, uid: 4_242 }),
    `/tmp/running-process-4242/broker/rpb-v1-${hash}-shared.sock`,
  );
});

function attempt(derive: () => string): string | Error {
  try {
    return derive();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
