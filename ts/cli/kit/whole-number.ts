// Counts and ports on the command line.
import { UsageError } from './program.ts'

/** A whole number from 1 to `most`. @throws UsageError */
export function wholeNumber(what: string, text: string, most: number): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (value >= 1 && value <= most) return value
  throw new UsageError(`${what} must be a whole number from 1 to ${most}, got ${JSON.stringify(text.slice(0, 40))}`)
}
