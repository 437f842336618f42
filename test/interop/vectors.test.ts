import { spawnSync } from 'node:child_process';
import { ALL_MESSAGES } from '../wire/all-messages.js';
import { goldenVectors, type GoldenMessage } from '../wire/golden.js';
import { goldenSessions } from '../wire/golden-sessions.js';
import { fromHex, toHex } from '../wire/hex.js';
import { interopTest, program } from './interop.js';
import { LineProcess } from './real-broker.js';

interopTest('the golden vectors of this repository are what the crate encodes today (W-42)', (t) => {
  const output = spawnSync(program, ['vectors'], { encoding: 'utf8', maxBuffer: 2 ** 26 });
  const { messages }: { messages: GoldenMessage[] } = JSON.parse(output.stdout);
  const ours = new Map(goldenVectors.messages.map((golden) => [`${golden.message}, ${golden.name}`, golden]));
  t.is(messages.length, ours.size);
  for (const { message, name, canonical, hex } of messages) {
    const golden = ours.get(`${message}, ${name}`);
    // The entries of a map come in another order each time (W-24).
    if (canonical) t.is(golden?.hex, hex, `${message}, ${name}`);
  }
});

interopTest('the crate reads every message that we encode as the same message', async (t) => {
  const rust = new LineProcess(program, ['decode']);
  for (const { message, name, value, hex } of goldenVectors.messages) {
    const kind = ALL_MESSAGES.find((candidate) => candidate.name === message);
    if (kind === undefined) throw new Error(`unknown message ${message}`);
    const encoded = toHex(kind.encode(kind.decode(fromHex(hex))));
    const decoded = await rust.ask<{ value?: unknown }>(JSON.stringify({ message, hex: encoded }));
    t.deepEqual(decoded.value ?? decoded, value, `${message}, ${name}`);
  }
  await rust.stop();
});

interopTest('the session vectors of this repository are what the crate says today', (t) => {
  const { stdout } = spawnSync(program, ['session-vectors'], { encoding: 'utf8', maxBuffer: 2 ** 26 });
  t.deepEqual(JSON.parse(stdout), goldenSessions);
});
