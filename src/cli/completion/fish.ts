import { firstWords, secondWord, type KnownCommand, type KnownOption } from './vocabulary.js';

export function fishScript(commands: readonly KnownCommand[]): string {
  const lines = [
    '# broker-pool completion for fish',
    'complete -c broker-pool -e',
    'complete -c broker-pool -f',
  ];
  const groups = [...firstWords(commands)];
  for (const [first, members] of groups) {
    const summary = members.length > 1 ? members.map(secondWord).join(', ') : (members[0]?.summary ?? '');
    lines.push(`complete -c broker-pool -n __fish_use_subcommand -a ${first} -d ${quoted(summary)}`);
    const seconds = members.map(secondWord).filter((word) => word !== undefined);
    const none = `__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${seconds.join(' ')}`;
    for (const member of members) {
      const second = secondWord(member);
      if (second !== undefined)
        lines.push(`complete -c broker-pool -n ${quoted(none)} -a ${second} -d ${quoted(member.summary)}`);
    }
  }
  lines.push(`complete -c broker-pool -n __fish_use_subcommand -l version -d 'the version of the package'`);
  lines.push(`complete -c broker-pool -n __fish_use_subcommand -s h -l help -d 'all commands'`);
  return `${[...lines, ...commands.flatMap(linesOf)].join('\n')}\n`;
}

function linesOf(command: KnownCommand): string[] {
  const seen = command.name.split(' ').map((word) => `__fish_seen_subcommand_from ${word}`);
  const start = `complete -c broker-pool -n ${quoted(seen.join('; and '))}`;
  const words = command.words.flat();
  return [
    ...(words.length > 0 ? [`${start} -a ${quoted(words.join(' '))}`] : []),
    ...command.options.map((option) => `${start} ${optionWords(option)}`),
  ];
}

function optionWords({ name, short, help, value }: KnownOption): string {
  const names = `${short === undefined ? '' : `-s ${short.slice(1)} `}-l ${name.slice(2)}`;
  const follows = { none: '', any: ' -x', path: ' -r -F' };
  const more = typeof value === 'string' ? follows[value] : ` -x -a ${quoted(value.join(' '))}`;
  return `${names}${more} -d ${quoted(help)}`;
}

/** In single quotes fish knows two escapes. */
function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, String.raw`\$&`)}'`;
}
