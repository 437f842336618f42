import type { Row, Sample } from './sample.js';

/** More than the widest terminal shows. */
const MOST_SAMPLES = 512;

/** The samples of the last minutes, for sparklines. */
export class History {
  readonly #acquires = new Map<string, (number | undefined)[]>();
  readonly #waits = new Map<string, (number | undefined)[]>();

  /** Rows that are not in the sample are forgotten. */
  add({ rows }: Sample): void {
    const keys = new Set(rows.map(({ key }) => key));
    for (const values of [this.#acquires, this.#waits])
      for (const key of values.keys()) if (!keys.has(key)) values.delete(key);
    for (const { key, acquires, waitMs } of rows) {
      push(this.#acquires, key, acquires);
      push(this.#waits, key, waitMs);
    }
  }

  acquiresOf({ key }: Row): readonly (number | undefined)[] {
    return this.#acquires.get(key) ?? [];
  }

  waitsOf({ key }: Row): readonly (number | undefined)[] {
    return this.#waits.get(key) ?? [];
  }
}

function push(all: Map<string, (number | undefined)[]>, key: string, value: number | undefined): void {
  const values = all.get(key) ?? [];
  values.push(value);
  if (values.length > MOST_SAMPLES) values.shift();
  all.set(key, values);
}
