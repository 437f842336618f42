/**
 * What `npm test` runs once the build is there: the tests, and beside them the linter, for tests wait half of their
 * time. Arguments are those of AVA. Ends with 1 if either failed; what the linter then says comes last.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

// Commands of npm are scripts on Windows, which only its shell starts.
const shell = process.platform === 'win32';

async function hasPassed(child: ChildProcess): Promise<boolean> {
  const [code]: unknown[] = await once(child, 'close');
  return code === 0;
}

const lint = spawn('npm', ['run', '--silent', 'lint'], { stdio: ['ignore', 'pipe', 'pipe'], shell });
const ava = spawn('ava', ['--config', 'ava.suite.config.js', ...process.argv.slice(2)], {
  stdio: 'inherit',
  shell,
});
const [isClean, hasTestsPassed, ...complaints] = await Promise.all([
  hasPassed(lint),
  hasPassed(ava),
  text(lint.stdout),
  text(lint.stderr),
]);
if (!isClean) process.stderr.write(`\nnpm run lint failed:\n\n${complaints.join('')}`);
process.exitCode = isClean && hasTestsPassed ? 0 : 1;
