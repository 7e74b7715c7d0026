import { describe, expect, it } from 'vitest'
import { loseLongValues, loseRewrites } from '../../support/btree-crash/lost-writes.ts'

const SEED = 1

describe('a write that the disk lost', () => {
  it('is found out, also if the page was written twice within one checkpoint', async () => {
    expect(await loseRewrites(SEED)).toBeGreaterThan(5)
  })

  it('is found out, also if the page belongs to a long value or to a bulk load now', async () => {
    expect(await loseLongValues(SEED)).toBeGreaterThan(5)
  })
})
