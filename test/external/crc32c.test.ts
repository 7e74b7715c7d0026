import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { crc32c } from '../../ts/storage/crc32c/index.ts'
import { requirePrograms } from './prerequisites.ts'

const SCRIPT = fileURLToPath(new URL('./crc32c.py', import.meta.url))

beforeAll(() => requirePrograms('python3'))

describe('CRC-32C as Python computes it from the definition', () => {
  it.each([0, 1, 7, 8, 9, 4095, 16384, 70001])('agrees on %i random bytes', (length) => {
    const bytes = randomBytes(length)
    const { stdout } = spawnSync('python3', [SCRIPT], { input: bytes, encoding: 'utf8' })
    expect(crc32c(bytes).toString(16).padStart(8, '0')).toBe(stdout.trim())
  })
})
