/** An option of a command that has no value. */
export interface Flag {
  readonly kind: 'flag';
  /** One letter. */
  readonly short?: string;
  readonly help: string;
}

/** An option of a command that has a value, or with kind `list` one each time it is given. */
export interface ValueOption<Value = unknown, Kind extends 'value' | 'list' = 'value' | 'list'> {
  readonly kind: Kind;
  readonly short?: string;
  /** The word for the value in `--help`, in capitals. */
  readonly placeholder: string;
  readonly help: string;
  /** The words that it may be, for `--help` and completion. */
  readonly choices?: readonly string[];
  /** Whether a shell completes names of files. */
  readonly isPath?: boolean;
  /** Throws a `UsageError` that begins with `name`. */
  readonly read: (name: string, text: string) => Value;
}

/** The options of a command by their names, without the leading `--`. */
export type OptionDefinitions = Readonly<Record<string, Flag | ValueOption>>;

type ValueOf<Option> = Option extends Flag
  ? boolean
  : Option extends ValueOption<infer Value, infer Kind>
    ? 'list' extends Kind
      ? readonly Value[]
      : Value | undefined
    : never;

/** The values of options: `undefined` and empty lists where they were not given. */
export type ValuesOf<Options> = { readonly [Name in keyof Options]: ValueOf<Options[Name]> };

type More = Pick<ValueOption, 'short' | 'choices' | 'isPath'>;

/** An option without a value. */
export function flag(help: string, more: Pick<Flag, 'short'> = {}): Flag {
  return { kind: 'flag', help, ...more };
}

/** An option with a value. */
export function value<Value>(
  placeholder: string,
  help: string,
  read: (name: string, text: string) => Value,
  more: More = {},
): ValueOption<Value, 'value'> {
  return { kind: 'value', placeholder, help, read, ...more };
}

/** An option that can be given several times. */
export function list<Value>(
  placeholder: string,
  help: string,
  read: (name: string, text: string) => Value,
  more: More = {},
): ValueOption<Value, 'list'> {
  return { kind: 'list', placeholder, help, read, ...more };
}

/** Whether an option takes the word behind it as its value. */
export function takesValue(option: Flag | ValueOption): option is ValueOption {
  return option.kind !== 'flag';
}
