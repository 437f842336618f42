/** The pictures in docs, as they are read where `system-ui` is a wide font. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { textWidth } from '../../bench/harness/letter-widths.js';
import { ROOT } from '../documents/texts.js';
import test from '../helpers/sanitary.js';

/** The widest picture that a page shows in its own size. */
const WIDEST = 832;
const PART = /<g\b([^>]*)>|<\/g>|<text\b([^>]*)>(.*?)<\/text>/gs;
const ENTITIES: Readonly<Record<string, string>> = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&amp;': '&' };

interface DrawnText {
  readonly line: string;
  readonly left: number;
  readonly right: number;
}

/** The lines of a picture with their horizontal places, in the widest of the usual fonts. */
function textsOf(svg: string): DrawnText[] {
  const texts: DrawnText[] = [];
  const groups: number[] = [];
  for (const [tag, group, attributes = '', content = ''] of svg.matchAll(PART)) {
    if (group !== undefined) groups.push((groups.at(-1) ?? 0) + shiftOf(group));
    else if (tag === '</g>') groups.pop();
    else {
      const at = (groups.at(-1) ?? 0) + shiftOf(attributes);
      const size = Number(/font-size="(\d+)px"/.exec(attributes)?.[1]);
      const lines = content.includes('<tspan') ? content.split('<tspan').slice(1) : [`>${content}`];
      for (const markup of lines) {
        const line = (/>([^<]*)/.exec(markup)?.[1] ?? '').replaceAll(
          /&\w+;/g,
          (name) => ENTITIES[name] ?? name,
        );
        // The unit beside a scale stands upright.
        const isUpright = attributes.includes('rotate');
        const width = isUpright ? size : textWidth(line, size, attributes.includes('font-weight="bold"'));
        const before = { start: 0, middle: width / 2, end: width }[anchorOf(attributes)];
        texts.push({ line, left: at - before, right: at - before + width });
      }
    }
  }
  return texts;
}

function anchorOf(attributes: string): 'start' | 'middle' | 'end' {
  const anchor = /text-anchor="(\w+)"/.exec(attributes)?.[1];
  return anchor === 'middle' || anchor === 'end' ? anchor : 'start';
}

/** How far to the right the element has been moved. */
function shiftOf(attributes: string): number {
  return Number(/translate\((-?[\d.]+)/.exec(attributes)?.[1] ?? 0);
}

const PICTURES = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.svg'));

test('docs has pictures', (t) => {
  t.true(PICTURES.length > 20);
});

for (const name of PICTURES) {
  const svg = readFileSync(join(ROOT, 'docs', name), 'utf8');
  const width = Number(/^<svg[^>]* width="([\d.]+)"/.exec(svg)?.[1]);

  test(`docs/${name} is at most ${WIDEST} pixels wide`, (t) => {
    t.true(width <= WIDEST, String(width));
  });

  test(`docs/${name} holds all of its texts in the widest of the usual fonts`, (t) => {
    const texts = textsOf(svg);
    t.true(texts.length > 0);
    t.deepEqual(
      texts.filter(({ left, right }) => left < 0 || right > width),
      [],
    );
  });
}
