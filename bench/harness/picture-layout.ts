import { LIGHT } from './colours.js';
import { importPeer } from './peer-modules.js';

/** The parts of the plotting library that are used here. */
interface VegaLite {
  compile(specification: object, options: { logger: object }): { spec: object };
}
interface Vega {
  parse(specification: object): object;
  /** @param level 0 for silence */
  logger(level: number): object;
  /** Its own guess is far too wide where there is no canvas: half of the picture would stay empty. */
  textMetrics: { width(item: { readonly fontSize?: number }, text: unknown): number };
  View: new (runtime: object, options: object) => { toSVG(): Promise<string> };
}

/** The plotting library's input: the panels and their look. */
export interface Specification extends Record<string, unknown> {
  readonly title: Record<string, unknown> & { readonly text: readonly string[] };
  readonly concat: readonly Panel[];
}

export interface Panel extends Record<string, unknown> {
  readonly data: { readonly values: readonly object[] };
}

const PANEL_WIDTH = 250;
/** A panel with no other beside it would else leave half of the picture empty. */
const LONE_PANEL_WIDTH = 480;
/** Pages show a picture wider than 900 pixels smaller, and its labels with it. Titles and margins take the rest. */
const WIDEST_PANELS = 820;
/** In letters of a question. */
const LONGEST_LINE = 90;
const FONT_SIZE = 12;
export const LONGEST_LABEL = 340;
const SPACING = 28;
/** In multiples of the font's size; the mean of usual fonts is a little less. */
const WIDTH_OF_A_LETTER = 0.54;
const FONT = 'system-ui, sans-serif';

/** Panels under the question: two side by side, unless `columns` is 1 or the labels are too long for that. */
export function picture(
  question: string,
  explanation: string | readonly string[],
  panels: readonly Panel[],
  columns = widthOfTwo(panels) > WIDEST_PANELS ? 1 : 2,
): Specification {
  const width = panels.length === 1 || columns === 1 ? LONE_PANEL_WIDTH : PANEL_WIDTH;
  return {
    title: {
      text: linesOf(question),
      subtitle: explanation,
      anchor: 'start',
      fontSize: 16,
      subtitleFontSize: 12,
      offset: 14,
    },
    background: LIGHT.background,
    padding: 16,
    columns,
    spacing: SPACING,
    concat: panels.map((one) => ({ ...one, width })),
    config: {
      font: FONT,
      title: { color: LIGHT.text, subtitleColor: LIGHT.faint, font: FONT, subtitleFont: FONT },
      axis: {
        labelColor: LIGHT.text,
        titleColor: LIGHT.faint,
        labelFont: FONT,
        titleFont: FONT,
        titleFontWeight: 'normal',
        labelFontSize: FONT_SIZE,
        titleFontSize: FONT_SIZE,
      },
      text: { color: LIGHT.text, font: FONT, fontSize: FONT_SIZE },
      view: { stroke: null },
    },
  };
}

/** A question in lines no longer than the widest picture. */
function linesOf(question: string): string[] {
  const lines = [''];
  for (const word of question.split(' ')) {
    const line = `${lines.at(-1)} ${word}`.trimStart();
    if (line.length <= LONGEST_LINE) lines.splice(-1, 1, line);
    else lines.push(word);
  }
  return lines;
}

/** How wide two panels side by side are with the labels of the bars. */
function widthOfTwo(panels: readonly Panel[]): number {
  const labels = panels.flatMap(({ data }) => data.values.map((value) => String(Reflect.get(value, 'name'))));
  const longest = Math.max(...labels.map(({ length }) => length)) * FONT_SIZE * WIDTH_OF_A_LETTER;
  return 2 * (PANEL_WIDTH + Math.min(longest, LONGEST_LABEL)) + SPACING;
}

export async function render(specification: Specification): Promise<string> {
  const vega = await importPeer<Vega>('vega');
  const vegaLite = await importPeer<VegaLite>('vega-lite');
  vega.textMetrics.width = ({ fontSize = 11 }, text) => String(text).length * fontSize * WIDTH_OF_A_LETTER;
  const { spec } = vegaLite.compile(specification, { logger: vega.logger(0) });
  return await new vega.View(vega.parse(spec), { renderer: 'none' }).toSVG();
}
