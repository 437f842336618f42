import { firstWords, secondWord, type KnownCommand, type KnownOption } from './vocabulary.js';

export function zshScript(commands: readonly KnownCommand[]): string {
  const groups = [...firstWords(commands)];
  return `#compdef broker-pool
# broker-pool completion for zsh
_broker_pool() {
  local -a choices
  if (( CURRENT == 2 )); then
    choices=(${groups.map(([first, members]) => choice(first, groupSummary(members))).join(' ')})
    _describe command choices
    _arguments '--version[the version of the package]' '(- *)'{-h,--help}'[all commands]'
    return
  fi
  case "$words[2]" in
${groups.map(([first, members]) => groupCase(first, members)).join('\n')}
  esac
}
if [ "$funcstack[1]" = _broker_pool ]; then _broker_pool "$@"; else compdef _broker_pool broker-pool; fi
`;
}

function groupSummary(members: readonly KnownCommand[]): string {
  return members.length > 1 ? members.map(secondWord).join(', ') : (members[0]?.summary ?? '');
}

function groupCase(first: string, members: readonly KnownCommand[]): string {
  const [only] = members;
  if (members.length === 1 && only !== undefined && secondWord(only) === undefined)
    return `    ${first}) shift words; (( CURRENT-- )); ${argumentsOf(only)} ;;`;
  const choices = members.map((member) => choice(secondWord(member) ?? '', member.summary)).join(' ');
  const cases = members.map(
    (member) => `        ${secondWord(member)}) shift 2 words; (( CURRENT -= 2 )); ${argumentsOf(member)} ;;`,
  );
  return `    ${first})
      if (( CURRENT == 3 )); then choices=(${choices}); _describe command choices; return; fi
      case "$words[3]" in
${cases.join('\n')}
      esac ;;`;
}

function argumentsOf({ words, options }: KnownCommand): string {
  const specs = [
    ...words.map((choices, index) =>
      choices.length === 0 ? `${index + 1}: : ` : `${index + 1}: :(${choices.join(' ')})`,
    ),
    ...options.flatMap(optionSpecs),
  ];
  return ['_arguments -s', ...specs.map(quoted)].join(' \\\n        ');
}

function optionSpecs({ name, short, help, value, isRepeatable }: KnownOption): string[] {
  const names = short === undefined ? [name] : [name, short];
  const action = { none: '', any: ':value: ', path: ':path:_files' };
  const more = typeof value === 'string' ? action[value] : `:value:(${value.join(' ')})`;
  const start = isRepeatable ? '*' : '';
  return names.map((one) => `${start}${one}[${escaped(help, /[[\]\\]/g)}]${more}`);
}

/** `name:text`, for `_describe`. */
function choice(name: string, text: string): string {
  return quoted(`${name}:${escaped(text, /[:\\]/g)}`);
}

function escaped(text: string, characters: RegExp): string {
  return text.replaceAll(characters, String.raw`\$&`);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
