// Spans of time as people write them: `500ms`, `30s`, `5m`, `2h`; a bare number is seconds.
import { UsageError } from './program.ts'

const DURATION = /^(?<amount>\d+(?:\.\d+)?)(?<unit>ms|s|m|h)?$/
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Milliseconds. @throws UsageError */
export function parseDuration(text: string, flag: string): number {
  const { amount, unit = 's' } = DURATION.exec(text)?.groups ?? {}
  const ms = Number(amount) * (UNIT_MS[unit] as number)
  if (ms > 0 && ms <= Number.MAX_SAFE_INTEGER) return ms
  throw new UsageError(`${flag} must be a time such as 30s, 500ms or 5m, got ${JSON.stringify(text.slice(0, 40))}`)
}
