import { firstWords, secondWord, type KnownCommand } from './vocabulary.js';

/** Works in bash 3.2, which macOS has. */
export function bashScript(commands: readonly KnownCommand[]): string {
  const groups = [...firstWords(commands)];
  const top = [...groups.map(([first]) => first), '--help', '--version'];
  const patterns = [
    // The longer names first: the first pattern that fits decides.
    ...commands.toSorted((one, other) => other.name.length - one.name.length).map(({ name }) => name),
    ...groups.filter(([first]) => !commands.some(({ name }) => name === first)).map(([first]) => first),
  ];
  return `# broker-pool completion for bash
_broker_pool() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command= words=
  COMPREPLY=()
  case "\${COMP_WORDS[*]:1:COMP_CWORD-1} " in
${patterns.map((name) => `    '${name} '*) command='${name}' ;;`).join('\n')}
  esac
  case "$command $previous" in
${commands.flatMap(valueCases).join('\n')}
  esac
  case "$command" in
    '') [ "$COMP_CWORD" -eq 1 ] && words='${top.join(' ')}' ;;
${groups.flatMap(groupCase).join('\n')}
${commands.map(wordCase).join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _broker_pool broker-pool
`;
}

/** The value of an option: the name of a file, one of some words, or a text that only the user knows. */
function valueCases({ name, options }: KnownCommand): string[] {
  return options.flatMap(({ name: option, short, value }) => {
    if (value === 'none') return [];
    const names = [option, ...(short === undefined ? [] : [short])];
    const pattern = names.map((one) => `'${name} ${one}'`).join(' | ');
    if (value === 'any') return [`    ${pattern}) return ;;`];
    const found = value === 'path' ? 'compgen -f' : `compgen -W '${value.join(' ')}'`;
    const asFiles = value === 'path' ? "local IFS=$'\\n'; compopt -o filenames 2>/dev/null; " : '';
    return [`    ${pattern}) ${asFiles}COMPREPLY=($(${found} -- "$current")); return ;;`];
  });
}

function groupCase([first, members]: [string, KnownCommand[]]): string[] {
  const seconds = members.map(secondWord).filter((word) => word !== undefined);
  return seconds.length === 0 ? [] : [`    '${first}') words='${seconds.join(' ')}' ;;`];
}

function wordCase({ name, words, options }: KnownCommand): string {
  const all = [
    ...words.flat(),
    ...options.flatMap(({ name: option, short }) => (short === undefined ? [option] : [option, short])),
  ];
  return `    '${name}') words='${all.join(' ')}' ;;`;
}
