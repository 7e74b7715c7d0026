// What happens to clients that ask for no guarantee, and does not happen to those that do, by the same seed.
import { describe, expect, it } from 'vitest'
import { compare, showComparisons } from '../../support/replication-group/anomalies.ts'

describe('by the same seed', () => {
  const comparisons = compare(1)
  console.info(showComparisons(comparisons))

  it.each(comparisons)('"$anomaly" happens, and does not with: $guarantee', (comparison) => {
    expect(comparison.without.anomalies).toBeGreaterThan(0)
    expect(comparison.with.anomalies).toBe(0)
    expect(comparison.with.of).toBeGreaterThan(5) // it is not that nothing was answered
  })
})
