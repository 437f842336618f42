import type { PictureKind, Table } from './result.js';

/** The harness's services for a bench. */
export interface BenchContext {
  /** Turns of each contender; fewer where the time is up. */
  readonly rounds: number;
  /** The Rust program (broker, backend and client), where the real broker was asked for. */
  readonly rustProgram: string | undefined;
  /** A checkout with another build, where one was named to compare with. */
  readonly against: string | undefined;
  /** The program of another Node, where one was named. */
  readonly node: string | undefined;
  /** Parts of names that choose among the rows of a comparison of builds; none means all. */
  readonly filters: readonly string[];
  /** Says what goes on now. */
  progress(what: string): void;
}

/** One bench. */
export interface Findings {
  readonly tables: readonly Table[];
  readonly notes: readonly string[];
}

/** One bench: a question, and how it is answered. */
export interface BenchCase {
  /** Also the name of its file in bench/cases. */
  readonly name: string;
  readonly question: string;
  /**
   * Most time that it should take: rounds after the seventh are left out for it, and at twice that the
   * harness ends it.
   */
  readonly budgetMs: number;
  readonly pictures?: readonly PictureKind[];
  run(context: BenchContext): Promise<Findings>;
}
