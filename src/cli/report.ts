import { BrokerPoolError, escaped, fieldsOf, textOf } from '../errors.js';
import { printJson, printLine, UsageError, type CommandIo } from './command.js';
import { isColoured, paint } from './style.js';
import { inCommandWords } from './words.js';

/**
 * Prints an error in one line, without a stack trace: code, message and what to do, which the messages of the
 * package's errors say themselves. With `json` it is one line of JSON. Both go to the error output.
 *
 * @param name the command, for the beginning of the line
 */
export function report(error: unknown, name: string, json: boolean, { stderr, env }: CommandIo): void {
  const message = messageOf(error);
  if (json) {
    const isOurs = error instanceof BrokerPoolError;
    const fields = isOurs ? { code: error.code, message, ...fieldsOf(error) } : { message };
    return printJson(stderr, { error: fields });
  }
  const code =
    error instanceof BrokerPoolError ? `${paint(error.code, 'red', isColoured(stderr, env))}: ` : '';
  printLine(stderr, `broker-pool${name === '' ? '' : ` ${name}`}: ${code}${message}`);
  if (error instanceof UsageError || (error instanceof BrokerPoolError && error.code === 'INVALID_ARGUMENT'))
    printLine(stderr, `broker-pool ${name === '' ? '' : `${name} `}--help shows the usage`);
}

function messageOf(error: unknown): string {
  return error instanceof BrokerPoolError ? inCommandWords(error.message) : escaped(textOf(error));
}
