// Ctrl-C while a command works on files: it ends what it is at in order, instead of being cut off.
import os from 'node:os'
import { Interrupted } from './program.ts'

const SIGNALS = ['SIGINT', 'SIGTERM'] as const

/** Lets work notice that it should stop. */
export interface Interrupt {
  /** Aborts at the first SIGINT or SIGTERM. A second one ends the process at once. */
  readonly signal: AbortSignal
  /** Throws Interrupted if a signal came. */
  check(): void
}

/** Runs `work` with signals turned into requests to stop. */
export async function interruptible<T>(work: (interrupt: Interrupt) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  let status = 0
  const onSignal = (signal: NodeJS.Signals): void => {
    forget()
    status = 128 + os.constants.signals[signal]
    controller.abort()
  }
  const forget = (): void => {
    for (const name of SIGNALS) process.removeListener(name, onSignal)
  }
  for (const name of SIGNALS) process.on(name, onSignal)
  try {
    return await work({
      signal: controller.signal,
      check: () => {
        if (controller.signal.aborted) throw new Interrupted(status)
      },
    })
  } finally {
    forget()
  }
}
