// Time, memory and files of this process.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
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

/** The sizes of the files that `counts` names. One that is removed meanwhile counts nothing. */
export function directoryBytes(directory: string, counts: (file: string) => boolean = () => true): number {
  const sizes = readdirSync(directory)
    .filter(counts)
    .map((file) => statSync(join(directory, file), { throwIfNoEntry: false })?.size ?? 0)
  return sizes.reduce((sum, size) => sum + size, 0)
}

/** How often files are looked at until they are at rest. */
export const LOOK_MS = 10
/** Files that have not changed for so long are at rest; less in runs that measure less. */
const REST_MS = 500
/** What engines write about themselves now and then. */
const NO_WORK = /^(stats\.json.*|LOG.*|LOCK)$/

/**
 * Waits until nothing in `directory` changes any more: what an engine still had to do is done.
 * @returns When the last change was seen, as of `performance.now()`.
 */
export async function restOf(directory: string, seconds: number): Promise<number> {
  const rest = Math.min(REST_MS, Math.max(5 * LOOK_MS, seconds * 250))
  let seen = filesIn(directory)
  let since = performance.now()
  while (performance.now() - since < rest) {
    await setTimeout(LOOK_MS)
    const now = filesIn(directory)
    if (now === seen) continue
    seen = now
    since = performance.now()
  }
  return since
}

/** Names, sizes and times of all files that an engine works with, as a text to compare. */
export function filesIn(directory: string, counts = (name: string): boolean => !NO_WORK.test(name)): string {
  const names = readdirSync(directory).filter(counts)
  return names
    .map((name) => {
      const found = statSync(join(directory, name), { throwIfNoEntry: false })
      return `${name} ${found?.size} ${found?.mtimeMs}`
    })
    .join('\n')
}

/** All bytes that this process has handed to write calls; undefined where the system does not say. */
export function writtenBytes(): number | undefined {
  try {
    const bytes = /^wchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]
    return bytes === undefined ? undefined : Number(bytes)
  } catch {
    return undefined // Not Linux.
  }
}
