/**
 * Mutants that no test needs to notice, with the reason. A run counts them as survivors, and does not run
 * them.
 */
export interface KnownSurvivor {
  readonly where: string;
  readonly kind: string;
  readonly before: string;
  readonly reason: string;
}

export const KNOWN_SURVIVORS: readonly KnownSurvivor[] = [];
