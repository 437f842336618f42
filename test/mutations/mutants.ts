/** Makes mutants: small changes to compiled code that a good test notices. Pure: text in, text out. */
import { parse, type AnyNode } from 'acorn';

/** One change to the code of a file. */
export interface Mutant {
  /** Path of the compiled file, below the build. */
  readonly file: string;
  /** The method or function around it, with its class. */
  readonly where: string;
  readonly kind: string;
  /** The original text, with the expression around an operator, on one line. */
  readonly before: string;
  readonly after: string;
  readonly start: number;
  readonly end: number;
  /** A test that runs the code here may notice the change. */
  readonly reachedAt: number;
}

/** Operators that are easily mistaken for each other. */
const SWAPPED: ReadonlyMap<string, string> = new Map([
  ['<', '<='],
  ['<=', '<'],
  ['>', '>='],
  ['>=', '>'],
  ['===', '!=='],
  ['!==', '==='],
  ['+', '-'],
  ['-', '+'],
  ['*', '/'],
  ['/', '*'],
  ['&&', '||'],
  ['||', '&&'],
  ['??', '&&'],
  ['+=', '-='],
  ['-=', '+='],
  ['++', '--'],
  ['--', '++'],
  ['min', 'max'],
  ['max', 'min'],
]);

const SYNTAX = { ecmaVersion: 'latest', sourceType: 'module' } as const;

/** All mutants of one file of the build. */
export function mutantsOf(file: string, code: string): Mutant[] {
  const found: Mutant[] = [];
  visit(parse(code, SYNTAX), []);
  return found;

  function visit(node: AnyNode, names: readonly string[]): void {
    // Printing is for people: a test of each word would hold up every change.
    if (node.type === 'TemplateLiteral' || isProgrammingError(node)) return;
    const inside = nameOf(node) === undefined ? names : [...names, nameOf(node) ?? ''];
    for (const { kind, start, end, after } of changesOf(node, code)) {
      // An operator or a boolean alone would not tell which one of the function it is.
      const token = code.slice(start, end);
      const shown = SWAPPED.has(token)
        ? node
        : /^(?:true|false)$/.test(token)
          ? lineAt(code, start)
          : { start, end };
      const before = oneLine(code.slice(shown.start, shown.end));
      // Before the operator: one that is lazy has not run what is behind it where the change shows.
      const reachedAt = Math.min(start, node.start);
      const mutant = { file, where: inside.join('.'), kind, before, after, start, end, reachedAt };
      // `&&` in place of one of two `??` is no code: each test would notice it.
      if (!kind.startsWith('??') || isCode(mutate(code, mutant))) found.push(mutant);
    }
    for (const child of childrenOf(node)) visit(child, inside);
  }
}

/** The code with the mutant in it. */
export function mutate(code: string, { start, end, after }: Mutant): string {
  return code.slice(0, start) + after + code.slice(end);
}

type Change = Pick<Mutant, 'kind' | 'start' | 'end' | 'after'>;

function changesOf(node: AnyNode, code: string): Change[] {
  switch (node.type) {
    case 'IfStatement':
    case 'ConditionalExpression':
      return ['true', 'false'].map((after) => ({
        kind: `condition is ${after}`,
        after,
        ...placeOf(node.test),
      }));
    case 'WhileStatement':
      return [{ kind: 'loop never runs', after: 'false', ...placeOf(node.test) }];
    case 'BinaryExpression':
    case 'LogicalExpression':
      return swapped(node.operator, node.left.end, node.right.start, code);
    case 'AssignmentExpression':
      return swapped(node.operator, node.left.end, node.right.start, code);
    case 'UpdateExpression':
      return swapped(node.operator, node.start, node.end, code);
    case 'UnaryExpression':
      return node.operator === '!'
        ? [{ kind: 'no negation', after: code.slice(node.start + 1, node.end), ...placeOf(node) }]
        : [];
    case 'Literal':
      return typeof node.value === 'boolean'
        ? [{ kind: 'other boolean', after: String(!node.value), ...placeOf(node) }]
        : [];
    case 'MemberExpression':
      return code.slice(node.object.start, node.object.end) === 'Math'
        ? swapped(
            code.slice(node.property.start, node.property.end),
            node.property.start,
            node.property.end,
            code,
          )
        : [];
    case 'ExpressionStatement':
      return isCall(node.expression) ? [{ kind: 'no call', after: ';', ...placeOf(node) }] : [];
    case 'ReturnStatement':
      // To a condition, `false` and `undefined` are the same.
      return node.argument &&
        !/^(?:undefined|false)$/.test(code.slice(node.argument.start, node.argument.end))
        ? [{ kind: 'returns undefined', after: 'return undefined;', ...placeOf(node) }]
        : [];
    default:
      return [];
  }
}

function swapped(operator: string, from: number, to: number, code: string): Change[] {
  const after = SWAPPED.get(operator);
  const start = code.indexOf(operator, from);
  return after === undefined || start < 0 || start >= to
    ? []
    : [{ kind: `${operator} becomes ${after}`, after, start, end: start + operator.length }];
}

function isCode(text: string): boolean {
  try {
    parse(text, SYNTAX);
    return true;
  } catch {
    return false;
  }
}

/** `super()` cannot be left out. */
function isCall(node: AnyNode): boolean {
  if (node.type === 'AwaitExpression' || (node.type === 'UnaryExpression' && node.operator === 'void'))
    return isCall(node.argument);
  if (node.type === 'ChainExpression') return isCall(node.expression);
  return node.type === 'CallExpression' && node.callee.type !== 'Super';
}

/**
 * `if (…) throw new Error(…)`: a state that no test can bring about. Errors of users have classes of their
 * own.
 */
function isProgrammingError(node: AnyNode): boolean {
  if (node.type !== 'IfStatement') return false;
  const { consequent } = node;
  const thrown = consequent.type === 'ThrowStatement' ? consequent.argument : undefined;
  return (
    thrown?.type === 'NewExpression' && thrown.callee.type === 'Identifier' && thrown.callee.name === 'Error'
  );
}

function nameOf(node: AnyNode): string | undefined {
  if (node.type === 'ClassDeclaration' || node.type === 'FunctionDeclaration') return node.id?.name;
  if (node.type !== 'MethodDefinition') return undefined;
  const { key } = node;
  if (key.type === 'Identifier') return key.name;
  return key.type === 'PrivateIdentifier' ? `#${key.name}` : undefined;
}

function placeOf({ start, end }: AnyNode): { start: number; end: number } {
  return { start, end };
}

function lineAt(code: string, place: number): { start: number; end: number } {
  return { start: code.lastIndexOf('\n', place) + 1, end: code.indexOf('\n', place) };
}

function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > 120 ? `${line.slice(0, 119)}…` : line;
}

function childrenOf(node: AnyNode): AnyNode[] {
  return Object.values(node).flat().filter(isNode);
}

function isNode(value: unknown): value is AnyNode {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}
