import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { isAlive } from '../../src/os/process-alive.js';
import { until } from '../helpers/leftovers.js';
import { testWhere } from '../helpers/test-where.js';

const onLinux = testWhere(process.platform === 'linux', 'Linux');

onLinux(
  'a process is alive until it has ended, also where its parent does not ask for its exit code',
  async (t) => {
    // The shell becomes a program that knows of no child.
    const parent = spawn('sh', ['-c', 'sleep 100 & echo $!; exec sleep 100'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(parent, 'exit');
    t.teardown(async () => {
      parent.kill('SIGKILL');
      await ended;
    });
    const pid = Number((await once(parent.stdout, 'data'))[0]);
    await until(() => readFileSync(`/proc/${parent.pid}/comm`, 'utf8') === 'sleep\n');
    t.true(isAlive(pid));
    t.true(isAlive(process.pid));
    process.kill(pid, 'SIGKILL');
    await until(() => !isAlive(pid));
    t.true(process.kill(pid, 0), 'its id is taken');
  },
);
