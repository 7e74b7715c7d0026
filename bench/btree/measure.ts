// Time and memory of this process.
import { readFileSync } from 'node:fs'
import type { MaybePromise } from './types.ts'

/** A step is repeated for this part of the measured time before, so that code is compiled and caches are warm. */
const WARM_UP = 0.25

/**
 * Repeats `step` for about `seconds`, at least once.
 * @param step - Does some operations and says how many.
 * @returns Operations a second.
 */
export async function rateOf(seconds: number, step: () => MaybePromise<number>): Promise<number> {
  await repeat(seconds * WARM_UP, step)
  const started = performance.now()
  const operations = await repeat(seconds, step)
  return operations / ((performance.now() - started) / 1000)
}

async function repeat(seconds: number, step: () => MaybePromise<number>): Promise<number> {
  const end = performance.now() + seconds * 1000
  let operations = 0
  do {
    const done = step()
    operations += typeof done === 'number' ? done : await done // most steps need no turn of the event loop
  } while (performance.now() < end)
  return operations
}

/** The most memory that this process has ever had resident, mapped files included. */
export function peakRssBytes(): number {
  try {
    // Unlike getrusage, this does not remember the process that started us.
    const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
    if (kibibytes !== undefined) return Number(kibibytes) * 1024
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS * 1024
}
