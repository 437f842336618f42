/**
 * A command-line tool that connects once: `node one-shot-tool.js OPTIONS FORGETS`, the options of `connectToBackend` as
 * JSON. Prints the route and the codes of the warnings, and ends at once, without closing anything. With `FORGETS` it
 * takes what it has reached for the wrong program.
 */
import { writeSync } from 'node:fs';
import { connectToBackend } from '../../src/connect.js';

const codes: unknown[] = [];
process.on('warning', (warning) =>
  codes.push('code' in warning ? `${warning.name} ${String(warning.code)}` : warning.name),
);

const options = JSON.parse(process.argv[2] ?? '');
const { route } = await connectToBackend(options);
const again = await connectToBackend(options);
if (process.argv[3] === 'forgets') again.forgetEndpoint?.();
// In the turn of the connect: nothing that waits for a later one gets its chance.
writeSync(1, JSON.stringify({ routes: [route, again.route], codes }));
process.exit();
