/** Runs one program of the documents in its surroundings, then ends: `node run-block.js program.js`. */
import { pathToFileURL } from 'node:url';
import { surround } from './surroundings.js';

const [program = ''] = process.argv.slice(2);
await surround();
await import(pathToFileURL(program).href);
// What a program leaves open ends here.
process.exit();
