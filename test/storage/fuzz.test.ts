// What reads from disk and from other nodes, given bytes that nobody wrote: a little of what test/faults/fuzz.ts does for as long as it may.
import { beforeAll, describe, expect, it } from 'vitest'
import { seededRandom } from '../../ts/io/random.ts'
import { withAllocationLimit } from '../support/fuzz/allocation.ts'
import { mutateJson } from '../support/fuzz/json.ts'
import { makeSample, type Sample } from '../support/fuzz/sample.ts'
import { fuzzOnce, TARGET_NAMES, type TargetName } from '../support/fuzz/targets.ts'

const SEED = 20261125

let sample: Sample
beforeAll(async () => {
  sample = await makeSample()
})

describe('bytes that nobody wrote give a value, CORRUPTION or INCOMPATIBLE', () => {
  it.each(TARGET_NAMES)('to whoever reads them as: %s', async (name) => {
    for (let i = 0; i < casesOf(name); i++) await fuzzOnce(name, sample, SEED + i)
  })
})

it('a try to allocate too much is noticed, also if it is caught', async () => {
  const greedy = withAllocationLimit(1000, async () => {
    expect(new Uint8Array(1000)).toHaveLength(1000)
    try {
      new Uint8Array(1001)
    } catch {
      return 'nothing happened'
    }
  })
  await expect(greedy).rejects.toThrow('1001 bytes')
  expect(new Uint8Array(1001)).toHaveLength(1001)
})

it('JSON is changed alike by one seed, whatever was changed before', () => {
  const change = (seed: number): string => JSON.stringify(mutateJson({ a: [1, { b: 2 }] }, seededRandom(seed)))
  const texts = Array.from({ length: 3000 }, (_, seed) => change(seed))
  expect(texts.map((_, seed) => change(seed))).toEqual(texts)
})

function casesOf(name: TargetName): number {
  if (name === 'ring node peers') return 10
  return /^(store|log|lsm store|ring node) |^FORMAT$/.test(name) ? 25 : 300
}
