import { existsSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import { SocketDirectory } from '../../src/testing/socket-directory.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';
import { onWindows, testWhere } from '../helpers/test-where.js';

test('the testing kit accepts every spelling of a pipe name that clients accept', (t) => {
  const sockets = new SocketDirectory(undefined, 'win32');
  for (const name of ['demo', '//./pipe/demo', '\\\\?\\PIPE\\demo', '\\\\.\\pipe\\demo'])
    t.is(sockets.endpoint('broker', name), '\\\\.\\pipe\\demo');
  t.regex(sockets.endpoint('backend', undefined), /^\\\\\.\\pipe\\broker-pool-backend-[0-9a-f]{8}$/);
});

test('the testing kit refuses endpoints that clients refuse, by the name of the option', (t) => {
  for (const [platform, endpoint] of [
    ['win32', 'C:\\demo.sock'],
    ['linux', 'demo.sock'],
    ['darwin', '\0demo'],
  ] as const) {
    const sockets = new SocketDirectory(undefined, platform);
    t.throws(() => sockets.endpoint('backend', endpoint), {
      code: 'INVALID_ARGUMENT',
      message: /^endpoint must be/,
    });
    t.throws(() => sockets.endpoint('handoff', endpoint), {
      code: 'INVALID_ARGUMENT',
      message: /^handoffEndpoint must be/,
    });
  }
});

const onPosix = testWhere(!onWindows, 'socket files');

onPosix('a relative directory gives absolute endpoints, and is made where missing', (t) => {
  const directory = join(temporaryDirectory(t), 'sockets');
  const endpoint = new SocketDirectory(relative(process.cwd(), directory)).endpoint('broker', undefined);
  t.true(isAbsolute(endpoint));
  t.true(endpoint.startsWith(directory));
  t.true(existsSync(directory));
});
