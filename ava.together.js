import { readdirSync, readFileSync } from 'node:fs';

/** The folder of the files that import others, which then share a process. */
const TOGETHER = 'dist/test/together';

/** The test files that each file of `TOGETHER` imports. */
function filesTogether() {
  return new Map(
    readdirSync(TOGETHER)
      .filter((name) => name.endsWith('.js'))
      .map((name) => {
        const path = `${TOGETHER}/${name}`;
        const imports = readFileSync(path, 'utf8').matchAll(/'\.\.\/(.+)'/g);
        return [path, [...imports].map(([, file]) => `dist/test/${file}`)];
      }),
  );
}

/**
 * `files` of ava's configuration for all tests but those at `leftOut`, below `dist/test`, a folder with a slash at its
 * end. They share processes as far as they may: of a file of `TOGETHER` that imports one that is left out, the others
 * run on their own. With `names`, a run names its files itself: those of `TOGETHER` and each on its own.
 */
export function allFilesBut(leftOut, base, names) {
  const paths = leftOut.map((path) => `dist/test/${path}`);
  const isLeftOut = (file) =>
    paths.some((path) => (path.endsWith('/') ? file.startsWith(path) : file === path));
  const together = [...filesTogether()];
  const broken = together.filter(([, members]) => members.some(isLeftOut)).map(([path]) => path);
  const whole = together.filter(([path]) => !broken.includes(path)).flatMap(([, members]) => members);
  return [
    ...base.files.filter((pattern) => pattern !== `!${TOGETHER}/**`),
    ...[...broken, ...(names ? [] : whole), ...paths].map((path) => `!${path.replace(/\/$/, '/**')}`),
  ];
}
