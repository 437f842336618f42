/** The task of a guest: its first argument, as JSON. */
export interface GuestTask {
  readonly brokerEndpoint: string;
  readonly services: readonly string[];
  readonly seed: number;
  readonly loadMs: number;
}

/** The last line that it prints. */
export interface GuestReport {
  readonly violations: readonly string[];
  /** How its acquires have settled, and how many. */
  readonly endings: Readonly<Record<string, number>>;
}
