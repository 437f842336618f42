/** The declarations of the published package, by other compilers and by tools that judge them. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from '../helpers/sanitary.js';
import { entriesOf, newProject, packed, ROOT, runTool } from './kit.js';

/** Each way to resolve modules that can see the `exports` of a package, by the setting `module` that it goes with. */
const RESOLUTIONS = { node16: 'node16', nodenext: 'nodenext', bundler: 'esnext' } as const;
type Resolution = keyof typeof RESOLUTIONS;

/** The oldest, the last two by JavaScript, which take seconds for each, and the newest. */
const COMPILERS: readonly (readonly [name: string, resolutions: readonly Resolution[]])[] = [
  ['typescript-5.4', ['node16', 'bundler']],
  ['typescript-5.9', ['nodenext']],
  ['typescript', ['bundler']],
  ['typescript-7', ['node16', 'nodenext', 'bundler']],
];

for (const [compiler, resolutions] of COMPILERS) {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'test/package/tools/package-lock.json'), 'utf8'))
    .packages[`node_modules/${compiler}`];
  for (const resolution of resolutions)
    test(`a strict project that resolves modules by ${resolution} compiles with TypeScript ${version}, and so do all declarations`, async (t) => {
      const { root } = await packed();
      const names = entriesOf(root).map(({ name }) => name);
      const project = await newProject(t, {
        'package.json': '{ "type": "module" }',
        'entries.ts': names.map((name, index) => `export * as e${index} from '${name}';\n`).join(''),
      });
      const consumer = join(ROOT, 'test/types/consumer');
      cpSync(consumer, project, { recursive: true });
      const { compilerOptions, include } = JSON.parse(readFileSync(join(consumer, 'tsconfig.json'), 'utf8'));
      const module = RESOLUTIONS[resolution];
      const settings = { ...compilerOptions, target: 'es2022', module, moduleResolution: resolution };
      writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: settings, include }));
      await t.notThrowsAsync(runTool(`${compiler}/bin/tsc`, ['-p', project], project));
    });
}

test('attw finds nothing wrong with how modules resolve each entry and its types', async (t) => {
  const { tarball, folder } = await packed();
  await t.notThrowsAsync(
    runTool('@arethetypeswrong/cli/dist/index.js', [tarball, '--profile', 'esm-only', '--no-color'], folder),
  );
});

test('publint finds nothing to mend in package.json', async (t) => {
  const { root } = await packed();
  await t.notThrowsAsync(runTool('publint/src/cli.js', [root, '--pack', 'false', '--strict'], root));
});

/** Types that users meet by name, and whose members are all that counts: editors show these. */
const SHOWN_BY_MEMBERS = ['GivenEndpointCache', 'GivenRetry', 'Message'];

test('typedoc finds each type that an entry mentions among the exports', async (t) => {
  const { root } = await packed();
  const project = await newProject(t, {
    'tsconfig.json': JSON.stringify({
      compilerOptions: {
        target: 'es2023',
        module: 'nodenext',
        strict: true,
        skipLibCheck: true,
        types: ['node'],
      },
      files: entriesOf(root).map(({ types }) => types),
    }),
    'typedoc.json': JSON.stringify({
      entryPoints: entriesOf(root).map(({ types }) => types),
      emit: 'none',
      readme: 'none',
      excludeInternal: true,
      disableSources: true,
      treatWarningsAsErrors: true,
      validation: { notExported: true, invalidLink: false },
      intentionallyNotExported: SHOWN_BY_MEMBERS,
    }),
  });
  await t.notThrowsAsync(runTool('typedoc/bin/typedoc', [], project));
});
