import type { PictureKind, Table } from './result.js';

/** What the harness gives a bench. */
export interface BenchContext {
  /** How often each contender gets its turn; fewer where the time is up. */
  readonly rounds: number;
  /** The Rust program (broker, backend and client), where the real broker was asked for. */
  readonly rustProgram: string | undefined;
  /** What is left of the bench's time budget, in milliseconds. */
  remainingMs(): number;
  /** Says what goes on now. */
  progress(what: string): void;
}

/** What a bench has to say. */
export interface Findings {
  readonly tables: readonly Table[];
  readonly notes: readonly string[];
}

/** One bench: a question, and how it is answered. */
export interface BenchCase {
  /** Also the name of its file in bench/cases. */
  readonly name: string;
  readonly question: string;
  /** How long it may take; the harness ends it at twice that. */
  readonly budgetMs: number;
  readonly pictures?: readonly PictureKind[];
  run(context: BenchContext): Promise<Findings>;
}
