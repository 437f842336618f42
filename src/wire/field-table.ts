/**
 * The kinds of fields, and the TypeScript type of each. The default of a field is the zero of its kind, as in
 * proto3. Enums are open: a number unknown to v1 is a value like any other.
 */
export interface KindTypes {
  u32: number;
  u64: bigint;
  enum: number;
  bool: boolean;
  string: string;
  bytes: Uint8Array;
  strings: readonly string[];
  stringMap: Readonly<Record<string, string>>;
}

export type FieldKind = keyof KindTypes;

/**
 * The fields of a message: the kind of each by its name. `u32?` is a number that may be absent; a table in
 * place of a kind is a message inside the message, which may be absent as well.
 */
export interface FieldTable {
  readonly [field: string]: FieldKind | 'u32?' | FieldTable;
}

type ValueOf<Entry> = Entry extends FieldKind
  ? KindTypes[Entry]
  : Entry extends 'u32?'
    ? number
    : Message<Entry>;

/** The TypeScript type of the message that a {@link FieldTable} describes. */
export type Message<Table> = {
  readonly [Field in keyof Table as Table[Field] extends FieldKind ? Field : never]: ValueOf<Table[Field]>;
} & {
  readonly [Field in keyof Table as Table[Field] extends FieldKind ? never : Field]?:
    | ValueOf<Table[Field]>
    | undefined;
};
