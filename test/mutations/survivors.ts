/**
 * Mutants that change nothing a caller could notice, with the reason. A run lists them, but neither runs nor
 * counts them.
 */
export interface KnownSurvivor {
  readonly where: string;
  readonly kind: string;
  readonly before: string;
  readonly reason: string;
}

export const KNOWN_SURVIVORS: readonly KnownSurvivor[] = [];
