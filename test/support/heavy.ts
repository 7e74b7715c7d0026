// The contract of a heavy suite: crash, power-loss, mutant and kill loops that spend a time budget instead of
// running a fixed list. `npm run test:faults`, `test:simulation` and `test:soak` (scripts/heavy.mjs) find them: every
// `test/faults/*.ts` and `test/simulation/*.ts` is one suite and default-exports a `HeavySuite`; those of `test/soak` need
// more than Node, and the soak alone runs them. Each suite runs in a process of its own,
// at most two at a time, from plain compiled TypeScript (imports of ts/ are served from dist/).
//
// A case is whatever can be replayed alone: its name says everything needed, for instance
// `seed=42 workload=append-reopen image=17`. The runner remembers the names of failed cases in `.cache/heavy.json`,
// hands them back first in the next run, and prints one command that replays each. Of a suite without a result it remembers the case that
// never ended, too.

/** What the runner gives a suite. */
export interface HeavyContext {
  /** Wall time the suite should spend, in milliseconds. It is killed, and fails, far beyond it. */
  readonly budgetMs: number
  /** Whole number >= 0. All randomness comes from it, so that a run can be repeated. */
  readonly seed: number
  /** True in `npm run test:soak`: go for depth rather than for a quick answer. */
  readonly soak: boolean
  /** Names of cases that failed in earlier runs, latest first. Run them before any new case. */
  readonly remembered: readonly string[]
  /** If present, run this one case and nothing else (a replay by `--case`). */
  readonly only: string | undefined
  /** False once the budget is spent. Ask between cases. */
  hasTime(): boolean
  /**
   * Says which case begins, and what has been done before it: all that the runner knows of a suite that it cuts off, or whose
   * process dies.
   */
  begin(caseName: string, soFar: HeavyResult): void
  /** Prints one line of progress, prefixed with the suite's name. */
  report(line: string): void
}

/** One case that did not hold. */
export interface HeavyFailure {
  /** The case's name, complete enough to replay it by `--case`. One line. */
  readonly caseName: string
  /** What was expected and what was seen; may have several lines. */
  readonly message: string
}

/** What a suite has done. */
export interface HeavyResult {
  /** Cases that ran, the failed ones among them. */
  readonly cases: number
  /** What was covered, by name: `{ images: 5120, crashPoints: 640, mutantsKilled: 9 }`. */
  readonly counts: Readonly<Record<string, number>>
  readonly failures: readonly HeavyFailure[]
}

/** One file of `test/faults/`. */
export interface HeavySuite {
  /** The file's name without `.ts`. */
  readonly name: string
  /**
   * The least that a whole run must cover, by names of `counts`. The runner fails the suite below it, so a run
   * that quietly did nothing never passes. A suite that is short of it when its budget ends goes on.
   */
  atLeast?(soak: boolean): Readonly<Record<string, number>>
  /**
   * Runs the cases. A failed case is a `failure`, and so is one whose name means nothing: `no such case: NAME`, which is not remembered.
   * An exception fails the whole suite.
   */
  run(context: HeavyContext): Promise<HeavyResult>
}
