// The suite that abstract-level publishes for its implementations, unchanged, on our databases.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { LEVELS, type LevelUnderTest, type LevelUnderTestOptions } from '../../support/level/databases.ts'
import { type TapeTestFunction, tapeOnVitest } from '../../support/level/tape.ts'
import { directoryInMemory } from '../../support/temporary-directory.ts'

/** It has no types. */
const publishedSuite = createRequire(import.meta.url)('abstract-level/test') as (options: {
  test: TapeTestFunction
  factory(options?: LevelUnderTestOptions): LevelUnderTest
}) => void

/** Fewer would mean that it left out what our manifest says we can do. */
const ASSERTIONS_AT_LEAST = 5000

describe.each(LEVELS)("abstract-level's suite on $name", ({ name, Level }) => {
  const { test, assertions } = tapeOnVitest()
  const directory = directoryInMemory() // it opens hundreds of databases, and each makes its files durable
  const made: LevelUnderTest[] = []

  publishedSuite({
    test,
    factory(options) {
      const level = new Level(join(directory.path, String(made.length)), options)
      made.push(level)
      return level
    },
  })

  it('was run whole', () => {
    console.log(`abstract-level's suite on ${name}: ${assertions().toLocaleString('en')} assertions`)
    expect(assertions()).toBeGreaterThan(ASSERTIONS_AT_LEAST)
  })

  afterAll(async () => {
    await Promise.allSettled(made.map((level) => level.close())) // some were made to fail at it
    directory.remove()
  })
})
