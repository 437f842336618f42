import { LIGHT } from './colours.js';
import { textWidth, wrapped } from './letter-widths.js';
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
  textMetrics: { width(item: TextMark, text: unknown): number };
  View: new (runtime: object, options: object) => { toSVG(): Promise<string> };
}

/** How the plotting library draws a text. */
interface TextMark {
  readonly fontSize?: number;
  readonly fontWeight?: string | number;
}

/** The plotting library's input: the panels and their look. */
export interface Specification extends Record<string, unknown> {
  readonly title: Record<string, unknown> & { readonly text: readonly string[] };
  readonly concat: readonly Panel[];
}

export interface Panel extends Record<string, unknown> {
  readonly data: { readonly values: readonly object[] };
}

/** Where the panels of a picture stand, in pixels. */
export interface Layout {
  readonly columns: number;
  readonly panelWidth: number;
  /** For the title of a panel, which begins above the labels. */
  readonly titleWidth: number;
}

/** Pages show a wider picture smaller, and its labels with it. */
const WIDEST_PICTURE = 832;
const PADDING = 16;
/** The plotting library rounds outwards. */
const ROUNDING = 2;
const WIDEST_CONTENT = WIDEST_PICTURE - 2 * PADDING - ROUNDING;
const PANEL_WIDTH = 250;
/** A panel with no other beside it would else leave half of the picture empty. */
const LONE_PANEL_WIDTH = 480;
export const FONT_SIZE = 12;
const TITLE_SIZE = 16;
const PANEL_TITLE_SIZE = 13;
export const LONGEST_LABEL = 340;
export const LABEL_PADDING = 8;
const SPACING = 28;
const FONT = 'system-ui, sans-serif';

/** Two panels side by side, if the labels leave room for that. @param labels those of each panel */
export function layoutFor(labels: readonly (readonly string[])[]): Layout {
  const longest = Math.max(...labels.flat().map((label) => textWidth(label, FONT_SIZE)));
  const besidePanel = Math.min(longest, LONGEST_LABEL) + LABEL_PADDING;
  const isPaired = labels.length > 1 && 2 * (PANEL_WIDTH + besidePanel) + SPACING <= WIDEST_CONTENT;
  const panelWidth = isPaired ? PANEL_WIDTH : Math.min(LONE_PANEL_WIDTH, WIDEST_CONTENT - besidePanel);
  return { columns: isPaired ? 2 : 1, panelWidth, titleWidth: panelWidth + besidePanel };
}

/** The title of a panel, broken into lines. */
export function panelTitle(
  title: string,
  lines: readonly string[],
  { titleWidth }: Layout,
): Record<string, unknown> {
  return {
    text: wrapped(title, titleWidth, PANEL_TITLE_SIZE, true),
    subtitle: lines.flatMap((line) => wrapped(line, titleWidth, FONT_SIZE)),
    anchor: 'start',
    frame: 'bounds',
    fontSize: PANEL_TITLE_SIZE,
    subtitleFontSize: FONT_SIZE,
  };
}

/** Panels under the question. */
export function picture(
  question: string,
  explanation: readonly string[],
  panels: readonly Panel[],
  { columns, panelWidth }: Layout,
): Specification {
  return {
    title: {
      text: wrapped(question, WIDEST_CONTENT, TITLE_SIZE, true),
      subtitle: explanation.flatMap((line) => wrapped(line, WIDEST_CONTENT, FONT_SIZE)),
      anchor: 'start',
      fontSize: TITLE_SIZE,
      subtitleFontSize: FONT_SIZE,
      offset: 14,
    },
    background: LIGHT.background,
    padding: PADDING,
    columns,
    spacing: SPACING,
    concat: panels.map((one) => ({ ...one, width: panelWidth })),
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

export async function render(specification: Specification): Promise<string> {
  const vega = await importPeer<Vega>('vega');
  const vegaLite = await importPeer<VegaLite>('vega-lite');
  vega.textMetrics.width = ({ fontSize = 11, fontWeight }, text) =>
    textWidth(String(text), fontSize, fontWeight === 'bold');
  const { spec } = vegaLite.compile(specification, { logger: vega.logger(0) });
  return await new vega.View(vega.parse(spec), { renderer: 'none' }).toSVG();
}
