// What checks remember: what was found good, as long as nothing of it has changed.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
// @ts-expect-error -- plain JavaScript
import type * as Verdicts from '../../scripts/lib/verdicts.mjs'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const folder = temporaryDirectory()
let verdicts: typeof Verdicts

beforeAll(async () => {
  vi.stubEnv('BEDPLATE_VERDICTS', join(folder.path, 'made'))
  // @ts-expect-error -- plain JavaScript
  verdicts = await import('../../scripts/lib/verdicts.mjs')
})

afterAll(() => {
  vi.unstubAllEnvs()
  folder.remove()
})

describe('a verdict', () => {
  it('is known once it is remembered, in the folder that was named', () => {
    expect(verdicts.wasGood('a')).toBe(false)
    verdicts.rememberGood('a')
    verdicts.rememberGood('b')
    expect([verdicts.wasGood('a'), verdicts.wasGood('b'), verdicts.wasGood('c')]).toEqual([true, true, false])
    expect(JSON.parse(readFileSync(join(folder.path, 'made/verdicts.json'), 'utf8'))).toEqual(['b', 'a'])
  })

  it('is forgotten after many others', () => {
    for (let i = 0; i < 200; i++) verdicts.rememberGood(`other ${i}`)
    expect(verdicts.wasGood('b')).toBe(false)
    expect(verdicts.wasGood('other 0')).toBe(true)
  })

  it('is of these words, these files and these bytes', () => {
    const key = verdicts.keyOf(['tool', '1.0'], ['LICENSE', 'binding.gyp'])
    expect(verdicts.keyOf(['tool', '1.0'], ['binding.gyp', 'LICENSE'])).toBe(key)
    const others = [
      verdicts.keyOf(['tool', '1.1'], ['LICENSE', 'binding.gyp']),
      verdicts.keyOf(['tool', '1.0'], ['LICENSE']),
      verdicts.keyOf(['tool', '1.0'], ['LICENSE', 'biome.json']),
    ]
    expect(new Set([key, ...others]).size).toBe(4)
  })
})
