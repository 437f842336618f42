/** The colours that pictures are drawn with, on a light page. */
export const LIGHT = {
  background: '#ffffff',
  text: '#1f2329',
  faint: '#59636f',
  grid: '#e4e7eb',
  ours: '#1a7f5a',
  peer: '#8fa3b5',
  floor: '#c8cdd3',
} as const;

/** The colours in their place on a dark page. */
const DARK: Readonly<Record<(typeof LIGHT)[keyof typeof LIGHT], string>> = {
  [LIGHT.background]: '#0d1117',
  [LIGHT.text]: '#e6edf3',
  [LIGHT.faint]: '#9ba6b1',
  [LIGHT.grid]: '#2a3038',
  [LIGHT.ours]: '#3fb98a',
  [LIGHT.peer]: '#66788a',
  [LIGHT.floor]: '#454d57',
};

/** The picture with a style sheet of its own that follows the reader's colour scheme. */
export function inLightAndDark(svg: string): string {
  const rules = ['fill', 'stroke'].flatMap((attribute) =>
    Object.entries(DARK).map(([light, dark]) => `[${attribute}="${light}"]{${attribute}:${dark}}`),
  );
  const style = `<style>@media (prefers-color-scheme:dark){${rules.join('')}}</style>`;
  return svg.replace(/<svg[^>]*>/, (tag) => `${tag}${style}`);
}
