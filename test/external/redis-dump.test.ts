// What DUMP gives is what redis-server restores, and the other way round, for values of every type and encoding.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { seededRandom } from '../../ts/io/random.ts'
import { CacheBed } from '../support/cache.ts'
import { commandsFor, describeKey } from '../support/cache-values.ts'
import { type RealConnection, RealRedis } from './redis/real-redis.ts'

const SEED = Number(process.env['SEED'] ?? 1)
const KEYS = Number(process.env['KEYS'] ?? 400)

let real: RealRedis
let client: RealConnection

beforeAll(async () => {
  real = await RealRedis.start('--sanitize-dump-payload', 'yes')
  client = await real.connect()
})

afterAll(() => real?.stop())

describe('dumps', () => {
  it(`of ${KEYS} keys are understood on both sides`, async () => {
    const random = seededRandom(SEED)
    for (let i = 0; i < KEYS; i++) {
      const commands = commandsFor('k', random)
      const [ours, theirs, again] = [presentBed(), presentBed(), presentBed()]
      for (const args of commands) ours.call(args)
      await client.one('FLUSHALL')
      await client.run(commands)
      const dumped = bulkOf(await client.one('DUMP', 'k'))
      expect([i, theirs.call(['RESTORE', 'k', '0', dumped])]).toEqual([i, 'OK'])
      const said = [ours, theirs].map((bed) => describeKey('k', (args) => bed.call(args)))
      expect([commands[0], said[1]]).toEqual([commands[0], said[0]])
      expect(theirs.call(['OBJECT', 'ENCODING', 'k'])).toBe(ours.call(['OBJECT', 'ENCODING', 'k']))
      const payload = ours.call(['DUMP', 'k']) as string
      expect([commands[0], await client.one('RESTORE', 'k', '0', payload, 'REPLACE')]).toEqual([commands[0], '+OK\r\n'])
      again.call(['RESTORE', 'k', '0', bulkOf(await client.one('DUMP', 'k'))])
      expect(describeKey('k', (args) => again.call(args))).toEqual(said[0])
    }
  })
})

/** One that does not live before what redis-server says of streams happened. */
function presentBed(): CacheBed {
  const bed = new CacheBed()
  bed.now = Date.now() + 60_000
  return bed
}

function bulkOf(reply: string): string {
  return reply.slice(reply.indexOf('\n') + 1, -2)
}
