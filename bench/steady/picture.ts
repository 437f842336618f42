import { inLightAndDark, LIGHT } from '../harness/colours.js';
import {
  layoutFor,
  panelTitle,
  picture,
  render,
  type Panel,
  type Specification,
} from '../harness/picture-layout.js';
import type { Minute } from '../programs/steady.js';

const HEIGHT = 110;
const MIB = 2 ** 20;
/** The scale and its unit, on the left. */
const LAYOUT = layoutFor([['10,000 MiB']]);

/** The minutes from left to right: latencies above, memory below. */
export async function drawMinutes(question: string, minutes: readonly Minute[]): Promise<string> {
  return inLightAndDark(await render(minutePicture(question, minutes)));
}

export function minutePicture(question: string, minutes: readonly Minute[]): Specification {
  const panels = [
    panel('99 % of acquires, from when each began', 'µs', minutes, ({ fromCall }) => fromCall.p99),
    panel(
      '99 % of acquires, from when each should have begun',
      'µs',
      minutes,
      ({ fromSchedule }) => fromSchedule.p99,
    ),
    panel('heap after collections', 'MiB', minutes, ({ held }) => held.heapUsed / MIB),
  ];
  return picture(question, [`A point a minute, ${minutes.length} minutes.`], panels, LAYOUT);
}

function panel(
  title: string,
  unit: string,
  minutes: readonly Minute[],
  figure: (minute: Minute) => number,
): Panel {
  return {
    // Above the plot: the scales of the panels differ in width.
    title: { ...panelTitle(title, [], LAYOUT), frame: 'group' },
    height: HEIGHT,
    data: { values: minutes.map((minute, at) => ({ minute: at + 1, figure: figure(minute) })) },
    mark: { type: 'line', color: LIGHT.ours, point: { filled: true, color: LIGHT.ours, size: 20 } },
    encoding: {
      x: { field: 'minute', type: 'quantitative', title: 'minute', axis: { grid: false, tickMinStep: 1 } },
      y: {
        field: 'figure',
        type: 'quantitative',
        title: unit,
        // From 0: noise of a percent would else look like growth.
        scale: { zero: true },
        axis: { gridColor: LIGHT.grid, domain: false },
      },
    },
  };
}
