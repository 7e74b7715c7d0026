// Probabilistic early expiration: A. Vattani, F. Chierichetti, K. Lowenstein, "Optimal Probabilistic Cache Stampede
// Prevention", PVLDB 8(8), 2015, algorithm 2 (XFetch).

/** What decides whether an entry is refreshed before its time. */
export interface EarlyExpiry {
  readonly nowMs: number
  /** When it expires. */
  readonly expiresAtMs: number
  /** How long it took to load; the longer, the earlier. Delta in the paper. */
  readonly loadMs: number
  /** 1 is optimal (section 3); above 1 refreshes earlier, 0 never before the time. */
  readonly beta: number
  /** A random number in [0, 1). */
  readonly chance: number
}

/**
 * True if whoever reads an entry now should load it again.
 *
 * Each reader decides for itself, so nothing has to be agreed upon. The gap before the end is distributed exponentially, which
 * makes the number of readers that load an entry at once small, however many there are, and the earliest of them not earlier
 * than it must be.
 *
 * @example
 * isEarly({ nowMs: 900, expiresAtMs: 1000, loadMs: 50, beta: 1, chance: Math.random() }) // true for 1 of 7 readers
 */
export function isEarly({ nowMs, expiresAtMs, loadMs, beta, chance }: EarlyExpiry): boolean {
  // log(0) would be early always: 1 - chance is in (0, 1].
  return nowMs - loadMs * beta * Math.log(1 - chance) >= expiresAtMs
}
