import { describe, expect, it } from 'vitest'
import { cacheAside, type WriteBehindOptions } from '../../../ts/cache/patterns/index.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { gate, PatternRedis } from '../../support/pattern-redis.ts'

function bed(options: Partial<WriteBehindOptions<string>> = {}) {
  const clock = new ManualClock(1_000_000)
  const redis = new PatternRedis({ clock })
  const records = new Map<string, string | undefined>()
  const batches: string[][] = []
  const make = () => cacheAside<string>({ client: redis, ttlMs: 60_000, load: (key) => records.get(key), clock })
  const cache = make()
  const save = (batch: ReadonlyMap<string, string | undefined>): void => {
    batches.push([...batch.keys()])
    for (const [key, value] of batch) records.set(key, value)
  }
  const behind = cache.writeBehind({ save, ...options })
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms)
    for (let turn = 0; turn < 20; turn++) await clock.turn()
  }
  return { clock, redis, records, batches, make, cache, behind, save, pass }
}

describe('a write behind', () => {
  it('is seen by everybody at once, and saved later with others, once a key', async () => {
    const { behind, records, batches, make, pass } = bed()
    await behind.set('a', '1')
    await behind.set('b', '1')
    await behind.set('a', '2')
    expect([await make().get('a'), await make().get('b'), records.size]).toEqual(['2', '1', 0])
    await pass(99)
    expect(batches).toEqual([])
    await pass(1)
    expect(batches).toEqual([['a', 'b']])
    expect(records.get('a')).toBe('2')
    expect(behind.stats()).toEqual({ pending: 0, writes: 3, coalesced: 1, saved: 2, saveErrors: 0 })
    expect(await make().get('a')).toBe('2')
  })

  it('is tried again when it could not be saved, later each time', async () => {
    const errors: unknown[] = []
    let isBroken = true
    const { behind, records, pass, save } = bed({
      save: (batch) => {
        if (isBroken) throw new Error('no database')
        save(batch)
      },
      onError: (error) => errors.push(error),
    })
    await behind.set('a', '1')
    await pass(100)
    await pass(1000)
    expect(errors.length).toBe(2)
    await pass(1000)
    expect(errors.length).toBe(2)
    await expect(behind.flush()).rejects.toThrow('no database')
    isBroken = false
    await pass(1000)
    expect([records.get('a'), behind.stats().pending]).toEqual(['1', 0])
  })

  it('that comes while the one before is being saved is saved after it', async () => {
    const hold = gate()
    const { behind, records, pass, save } = bed({
      save: async (batch) => {
        if (batch.get('a') === '1') await hold.passed
        save(batch)
      },
    })
    await behind.set('a', '1')
    await pass(100)
    await behind.set('a', '2')
    hold.open()
    await behind.close()
    expect([records.get('a'), behind.stats().saved]).toEqual(['2', 2])
  })

  it('takes away what somebody has loaded before it was saved', async () => {
    const { behind, redis, make, pass, records } = bed()
    records.set('a', 'old')
    await behind.set('a', 'new')
    redis.run(['DEL', 'a']) // evicted
    expect(await make().get('a')).toBe('old')
    expect(await behind.get('a')).toBe('new')
    await pass(100)
    expect(await make().get('a')).toBe('new')
  })

  it('takes the lease of who loads while it is saved', async () => {
    const { clock, behind, redis, pass, make, records } = bed()
    records.set('a', 'old')
    await behind.set('a', 'new')
    redis.run(['DEL', 'a'])
    const hold = gate()
    const slow = cacheAside<string>({
      client: redis,
      ttlMs: 60_000,
      load: async () => {
        await hold.passed
        return 'old'
      },
      clock,
    })
    const late = slow.get('a')
    await pass(0)
    await pass(100)
    hold.open()
    expect(await late).toBe('old')
    expect(await make().get('a')).toBe('new')
  })

  it('is refused where too many wait, and after the end', async () => {
    const { behind, batches } = bed({ maxPending: 2, batchSize: 1 })
    await behind.set('a', '1')
    await behind.set('b', '1')
    await expect(behind.set('c', '1')).rejects.toMatchObject({ code: 'UNAVAILABLE', hint: /maxPending/ })
    await behind.set('a', '2')
    await behind.close()
    expect(batches).toEqual([['a'], ['b']])
    await expect(behind.set('a', '3')).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('deletes with undefined', async () => {
    const { behind, records, make } = bed()
    records.set('a', 'old')
    expect(await make().get('a')).toBe('old')
    await behind.set('a', undefined)
    expect(await behind.get('a')).toBeUndefined()
    await behind.close()
    expect(records.get('a')).toBeUndefined()
    expect(await make().get('a')).toBeUndefined()
  })
})
