/** A script that was interrupted so that others get their turn; until it ends, most commands are refused. */
export interface PausedScript {
  /** The time at which it began, which is the time of its commands. */
  readonly nowMs: number
  /** What other clients are told. */
  readonly refusal: string
  /** Lets it run on for a while. */
  resume(): void
}
