// `node bundle.js BUNDLER FORMAT ENTRY OUTPUT EXTERNAL…` puts a program and all it imports, but for the
// external packages, into one file. Plain JavaScript, run from the sources: the bundlers are installed beside
// this file alone.
import { writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import commonjs from '@rollup/plugin-commonjs';
import ncc from '@vercel/ncc';
import { build } from 'esbuild';
import { rollup } from 'rollup';
import webpack from 'webpack';

/** Each puts `entry` into `output` as a module (`esm`) or as CommonJS (`cjs`). */
const BUNDLERS = {
  esbuild: ({ entry, output, format, external }, minify = false) =>
    build({
      entryPoints: [entry],
      outfile: output,
      format,
      external,
      minify,
      bundle: true,
      platform: 'node',
      logLevel: 'warning',
    }),

  'esbuild-minified': (task) => BUNDLERS.esbuild(task, true),

  async rollup({ entry, output, format, external }) {
    const plugins = [nodeResolve({ preferBuiltins: true }), commonjs()];
    const bundle = await rollup({ input: entry, external: [/^node:/, ...external], plugins });
    await bundle.write({ file: output, format, inlineDynamicImports: true });
  },

  async webpack({ entry, output, format, external }) {
    const isModule = format === 'esm';
    const stats = await new Promise((resolve, reject) => {
      const configuration = {
        entry,
        mode: 'production',
        target: 'node20',
        externals: Object.fromEntries(
          external.map((name) => [name, `${isModule ? 'module' : 'commonjs'} ${name}`]),
        ),
        experiments: { outputModule: isModule },
        output: {
          path: dirname(output),
          filename: basename(output),
          module: isModule,
          ...(isModule && { library: { type: 'module' } }),
        },
      };
      webpack(configuration, (error, result) => (error ? reject(error) : resolve(result)));
    });
    if (stats.hasErrors() || stats.hasWarnings())
      throw new Error(stats.toString({ all: false, errors: true, warnings: true }));
  },

  async ncc({ entry, output, external }) {
    const { code, assets } = await ncc(entry, { externals: external, cache: false, quiet: true });
    writeFileSync(output, code);
    // What is imported later lies in files of its own.
    for (const [name, { source }] of Object.entries(assets))
      writeFileSync(join(dirname(output), name), source);
  },
};

const [bundler, format, entry, output, ...external] = process.argv.slice(2);
await BUNDLERS[bundler]({ format, entry, output, external });
