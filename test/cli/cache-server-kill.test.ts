import { expect, it } from 'vitest'
import { killRounds } from '../support/cache-kill.ts'

it('a cache-server that is killed under load with appendfsync always has lost nothing that it replied to', async () => {
  expect(await killRounds(Number(process.env['SEED'] ?? 1), 2)).toBeGreaterThan(100)
})
