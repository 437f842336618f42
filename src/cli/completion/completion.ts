import { defineCommand, printJson } from '../command.js';
import { ExitCode } from '../exit-codes.js';
import { oneOf } from '../values.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** `broker-pool completion`: a script for a shell, from the table of each command. */
export const completion = defineCommand({
  name: 'completion',
  description:
    'Prints a script that completes commands, options and their values. Load it in the start file of the shell: ' +
    'source <(broker-pool completion bash), the same with zsh, and broker-pool completion fish | source.',
  parameters: [{ name: 'SHELL', help: 'for which shell', choices: SHELLS }],
  options: {},
  json: 'the script as {"shell","script"}',
  async run({ words: [word = ''], values, commands }, { stdout }) {
    const shell = oneOf(SHELLS)('SHELL', word);
    const [{ vocabulary }, { scriptFor }] = await Promise.all([
      import('./vocabulary.js'),
      import('./scripts.js'),
    ]);
    const script = scriptFor(shell, await vocabulary(commands));
    if (values.json) printJson(stdout, { shell, script });
    else stdout.write(script);
    return ExitCode.DONE;
  },
});
