import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** From dist/test/helpers the build is two levels up. */
const BUILD = fileURLToPath(new URL('../../', import.meta.url));

/** `npm test` joins modules, and says here where they were put apart. Other runs leave them in their places. */
const APART = process.env['BROKER_POOL_TEST_MODULES'];

/** The folder of the build in which each module is a file of its own. */
export const MODULES = APART !== undefined && existsSync(APART) ? APART : BUILD;
