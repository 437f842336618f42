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

/** The same on a dark page. */
const DARK: Readonly<Record<keyof typeof LIGHT, string>> = {
  background: '#0d1117',
  text: '#e6edf3',
  faint: '#9ba6b1',
  grid: '#2a3038',
  ours: '#3fb98a',
  peer: '#66788a',
  floor: '#454d57',
};

/** The picture with a style sheet of its own that follows the reader's colour scheme. */
export function inLightAndDark(svg: string): string {
  const rules = (['fill', 'stroke'] as const).flatMap((attribute) =>
    Object.entries(LIGHT).map(
      ([name, light]) => `[${attribute}="${light}"]{${attribute}:${DARK[name as keyof typeof LIGHT]}}`,
    ),
  );
  return svg.replace(
    /<svg[^>]*>/,
    (tag) => `${tag}<style>@media (prefers-color-scheme:dark){${rules.join('')}}</style>`,
  );
}
