// A progress bar on standard error, for work that takes a while and only where a person looks on.

/** Shows how far some work is. All calls do nothing where nobody looks. */
export interface Progress {
  /** Says how much is done, in the units of `total`. */
  update(done: number): void
  /** Takes the bar away. */
  stop(): void
}

/** What is worked on. */
export interface ProgressOptions {
  label: string
  /** All there is to do; undefined if that is not known. */
  total: number | undefined
  /** Says how much is done; default: the number itself. */
  format?: (done: number) => string
}

/** Shorter work gets no bar. */
const DELAY_MS = 400
const SILENT: Progress = { update: () => {}, stop: () => {} }

/** Starts to show progress. */
export async function startProgress({ label, total, format = String }: ProgressOptions): Promise<Progress> {
  if (process.stderr.isTTY !== true) return SILENT
  const { default: cliProgress } = await import('cli-progress')
  const bar = new cliProgress.SingleBar({
    format: total === undefined ? `${label} {done}` : `${label} [{bar}] {percentage}% {done}`,
    barCompleteChar: '=',
    barIncompleteChar: ' ',
    barsize: 30,
    hideCursor: true,
    clearOnComplete: true,
    stream: process.stderr,
    // Its handler of SIGINT would come before ours.
    gracefulExit: false,
  })
  const startedAt = performance.now()
  let shown = false
  return {
    update(done) {
      if (!shown && performance.now() - startedAt < DELAY_MS) return
      if (!shown) bar.start(total ?? 1, 0, { done: format(0) })
      shown = true
      bar.update(total === undefined ? 0 : Math.min(done, total), { done: format(done) })
    },
    stop() {
      if (shown) bar.stop()
    },
  }
}
