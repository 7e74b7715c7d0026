import { describe, expect, it } from 'vitest'
import { type CacheAside, type CacheAsideOptions, cacheAside } from '../../../ts/cache/patterns/index.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { gate, PatternRedis } from '../../support/pattern-redis.ts'

type Options = Partial<CacheAsideOptions<string>> & { readonly hasScripts?: boolean }

/** A cache before a map, with time and chance in hand. */
class Bed {
  readonly clock = new ManualClock(1_000_000)
  readonly records = new Map<string, string>([['k', 'one']])
  readonly redis: PatternRedis
  /** Keys that were loaded. */
  readonly loaded: string[] = []
  readonly errors: unknown[] = []
  readonly #options: CacheAsideOptions<string>

  constructor({ hasScripts = true, ...options }: Options = {}) {
    this.redis = new PatternRedis({ clock: this.clock, hasScripts })
    this.#options = {
      client: this.redis,
      ttlMs: 1000,
      jitter: 0,
      earlyBeta: 0,
      load: (key) => {
        this.loaded.push(key)
        return this.records.get(key)
      },
      onError: (error) => this.errors.push(error),
      clock: this.clock,
      random: seededRandom(1),
      ...options,
    }
  }

  /** One more process, as it were. */
  cache(options: Partial<CacheAsideOptions<string>> = {}): CacheAside<string> {
    return cacheAside({ ...this.#options, ...options })
  }

  /** Lets time pass until something has come. */
  async until<T>(result: Promise<T>): Promise<T> {
    let isDone = false
    const done = (): void => {
      isDone = true
    }
    result.then(done, done)
    for (let turn = 0; !isDone && turn < 10_000; turn++) {
      await this.clock.turn()
      if (!isDone) this.clock.advance(10)
    }
    return result
  }

  /** Lets what is under way go as far as it can. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await this.clock.turn()
  }
}

describe.each([{ hasScripts: true }, { hasScripts: false }])('cache-aside, $hasScripts: scripts', ({ hasScripts }) => {
  it('loads a record once, and serves it until its time is over', async () => {
    const bed = new Bed({ hasScripts })
    const cache = bed.cache()
    expect(await cache.get('k')).toBe('one')
    bed.clock.advance(999)
    expect(await cache.get('k')).toBe('one')
    expect(bed.loaded).toEqual(['k'])
    bed.clock.advance(1)
    bed.records.set('k', 'two')
    expect(await cache.get('k')).toBe('two')
    expect(cache.stats()).toMatchObject({ hits: 1, misses: 2, loads: 2, stale: 0, cacheErrors: 0 })
  })

  it('loads once for 1,000 that miss at the same time', async () => {
    const bed = new Bed({ hasScripts })
    const cache = bed.cache()
    const values = await Promise.all(Array.from({ length: 1000 }, () => cache.get('k')))
    expect(new Set(values)).toEqual(new Set(['one']))
    expect(cache.stats()).toMatchObject({ loads: 1, misses: 1000, joined: 999 })
  })

  it('loads once for processes that miss at the same time: the others wait for it', async () => {
    const bed = new Bed({ hasScripts })
    const hold = gate()
    const load = async (key: string) => {
      await hold.passed
      bed.loaded.push(key)
      return 'loaded'
    }
    const caches = Array.from({ length: 10 }, () => bed.cache({ load }))
    const all = Promise.all(caches.map((cache) => cache.get('k')))
    await bed.settle()
    hold.open()
    expect(new Set(await bed.until(all))).toEqual(new Set(['loaded']))
    expect(bed.loaded).toEqual(['k'])
    expect(caches.reduce((sum, cache) => sum + cache.stats().waits, 0)).toBe(9)
  })

  it('does not cache what was invalidated while it was loaded', async () => {
    const bed = new Bed({ hasScripts })
    const hold = gate()
    const slow = bed.cache({
      load: async () => {
        const value = bed.records.get('k')
        await hold.passed
        return value
      },
    })
    const old = slow.get('k')
    await bed.settle()
    const writer = bed.cache()
    await writer.update('k', () => void bed.records.set('k', 'two'))
    hold.open()
    expect(await old).toBe('one')
    expect(slow.stats().refused).toBe(1)
    expect(await writer.get('k')).toBe('two')
    expect(await slow.get('k')).toBe('two')
  })

  it('does not cache what was written through while it was loaded', async () => {
    const bed = new Bed({ hasScripts })
    const hold = gate()
    const slow = bed.cache({
      load: async () => {
        await hold.passed
        return 'one'
      },
    })
    const old = slow.get('k')
    await bed.settle()
    await bed.cache().writeThrough('k', 'two', () => void bed.records.set('k', 'two'))
    hold.open()
    await old
    expect(await bed.cache().get('k')).toBe('two')
    expect(bed.loaded).toEqual([])
  })

  it('keeps nothing of two writers that overtook one another', async () => {
    const bed = new Bed({ hasScripts })
    const cache = bed.cache()
    const [first, second] = [gate(), gate()]
    const write = (value: string, held: Promise<void>) =>
      cache.writeThrough('k', value, async () => {
        await held
        bed.records.set('k', value)
      })
    const a = write('a', first.passed)
    await bed.settle()
    const b = write('b', second.passed)
    await bed.settle()
    second.open()
    await b
    expect(await bed.cache().get('k')).toBe('b')
    first.open()
    await a
    expect(await bed.cache().get('k')).toBe('a')
    expect(bed.loaded).toEqual(['k'])
  })
})

describe('a cache that shares a load', () => {
  it('starts anew after an invalidation, instead of joining what began before', async () => {
    const bed = new Bed()
    const holds = [gate(), gate()]
    let calls = 0
    const cache = bed.cache({
      load: async () => {
        const value = bed.records.get('k')
        await holds[calls++]?.passed
        return value
      },
    })
    const before = cache.get('k')
    await bed.settle()
    bed.records.set('k', 'two')
    await cache.invalidate('k')
    const after = cache.get('k')
    await bed.settle()
    holds[0]?.open()
    holds[1]?.open()
    expect(await Promise.all([before, bed.until(after)])).toEqual(['one', 'two'])
  })

  it('lets one of those who wait go, and stops loading when the last one has', async () => {
    const bed = new Bed()
    let stopped: unknown
    const cache = bed.cache({
      load: (_, { signal }) =>
        new Promise<string>((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            stopped = signal.reason
            reject(signal.reason)
          })
        }),
    })
    const [one, two] = [new AbortController(), new AbortController()]
    const gets = [cache.get('k', { signal: one.signal }), cache.get('k', { signal: two.signal })]
    const ended = Promise.allSettled(gets)
    await bed.settle()
    one.abort('first')
    await expect(gets[0]).rejects.toBe('first')
    await bed.settle()
    expect(stopped).toBeUndefined()
    two.abort('second')
    await ended
    await bed.settle()
    expect(stopped).toBe('second')
    // The lease went back: the next one need not wait for its end.
    expect(await bed.cache().get('k')).toBe('one')
    await expect(cache.get('k', { signal: AbortSignal.abort('at once') })).rejects.toBe('at once')
  })

  it('passes on what the load fails with, and lets the next one try', async () => {
    const bed = new Bed()
    const failing = bed.cache({ load: () => Promise.reject(new Error('no database')) })
    await expect(Promise.all([failing.get('k'), failing.get('k')])).rejects.toThrow('no database')
    expect(failing.stats()).toMatchObject({ loads: 1, loadErrors: 1 })
    expect(await bed.cache().get('k')).toBe('one')
  })

  it('loads by itself when the one that loads takes too long', async () => {
    const bed = new Bed({ waitMs: 200 })
    const hold = gate()
    const slow = bed.cache({ load: () => hold.passed.then(() => 'slow') })
    const first = slow.get('k')
    await bed.settle()
    expect(await bed.until(bed.cache().get('k'))).toBe('one')
    hold.open()
    expect(await first).toBe('slow')
  })

  it('takes over when the one that loads has died', async () => {
    const bed = new Bed({ leaseMs: 500, waitMs: 5000 })
    void bed.cache({ load: () => new Promise(() => {}) }).get('k')
    await bed.settle()
    const cache = bed.cache()
    expect(await bed.until(cache.get('k'))).toBe('one')
    expect(await cache.get('k')).toBe('one')
    expect(cache.stats()).toMatchObject({ loads: 1, hits: 1, waits: 1 })
  })
})

describe('entries near their end', () => {
  it('are served stale for a while, and loaded once behind it', async () => {
    const bed = new Bed({ staleMs: 500 })
    const cache = bed.cache()
    await cache.get('k')
    bed.records.set('k', 'two')
    bed.clock.advance(1000)
    expect(await Promise.all([cache.get('k'), bed.cache().get('k')])).toEqual(['one', 'one'])
    await bed.settle()
    expect(await cache.get('k')).toBe('two')
    expect(bed.loaded).toEqual(['k', 'k'])
    expect(cache.stats()).toMatchObject({ stale: 1, hits: 1, misses: 1 })
    bed.clock.advance(1500)
    bed.records.set('k', 'three')
    expect(await cache.get('k')).toBe('three')
  })

  it('stay, stale, where the load fails', async () => {
    const bed = new Bed({ staleMs: 500 })
    await bed.cache().get('k')
    bed.clock.advance(1100)
    const failing = bed.cache({ load: () => Promise.reject(new Error('no database')) })
    expect(await failing.get('k')).toBe('one')
    await bed.settle()
    expect(await failing.get('k')).toBe('one')
    expect(String(bed.errors[0])).toContain('no database')
  })

  it('are refreshed ahead', async () => {
    const bed = new Bed({ refreshAheadMs: 300 })
    const cache = bed.cache()
    await cache.get('k')
    bed.clock.advance(699)
    await cache.get('k')
    await bed.settle()
    expect(bed.loaded.length).toBe(1)
    bed.clock.advance(1)
    expect(await cache.get('k')).toBe('one')
    await bed.settle()
    expect(bed.loaded.length).toBe(2)
    expect(cache.stats()).toMatchObject({ hits: 2, refreshes: 1 })
  })

  it('are refreshed early by chance, the earlier the longer they take to load', async () => {
    const bed = new Bed({ earlyBeta: 1, random: { next: () => 0.9, bytes: seededRandom(1).bytes } })
    const cache = bed.cache({
      load: (key) => {
        bed.loaded.push(key)
        bed.clock.advance(100)
        return 'slow'
      },
    })
    await cache.get('k')
    // 100 ms of loading times -log(0.1): 230 ms before the end.
    bed.clock.advance(769)
    await cache.get('k')
    await bed.settle()
    expect(bed.loaded.length).toBe(1)
    bed.clock.advance(1)
    await cache.get('k')
    await bed.settle()
    expect(bed.loaded.length).toBe(2)
  })

  it('end at times that differ by the jitter', async () => {
    const bed = new Bed({ jitter: 0.5 })
    const keys = Array.from({ length: 100 }, (_, i) => `k${i}`)
    const cache = bed.cache()
    for (const key of keys) bed.records.set(key, key)
    await Promise.all(keys.map((key) => cache.get(key)))
    bed.clock.advance(500)
    await Promise.all(keys.map((key) => cache.get(key)))
    expect(cache.stats().hits).toBe(100)
    bed.clock.advance(250)
    const { hits } = cache.stats()
    await Promise.all(keys.map((key) => cache.get(key)))
    expect(cache.stats().hits - hits).toBeGreaterThan(30)
    expect(cache.stats().hits - hits).toBeLessThan(70)
  })
})

describe('keys without a record', () => {
  it('are asked for each time, unless that is to be remembered', async () => {
    const bed = new Bed()
    const [plain, negative] = [bed.cache(), bed.cache({ prefix: 'n:', negativeTtlMs: 100 })]
    for (const cache of [plain, negative, plain, negative]) expect(await cache.get('none')).toBeUndefined()
    expect(plain.stats()).toMatchObject({ loads: 2, misses: 2 })
    expect(negative.stats()).toMatchObject({ loads: 1, misses: 1, hits: 1, negativeHits: 1 })
    bed.clock.advance(100)
    bed.records.set('none', 'there')
    expect(await negative.get('none')).toBe('there')
  })

  it('are told apart from null', async () => {
    const bed = new Bed()
    const cache = cacheAside<null>({ client: bed.redis, ttlMs: 1000, load: () => null, clock: bed.clock })
    expect([await cache.get('null'), await cache.get('null')]).toEqual([null, null])
    expect(cache.stats()).toMatchObject({ hits: 1, negativeHits: 0 })
  })
})

describe('a Redis that does not answer', () => {
  it('is done without, is asked again after a while, and is not waited for', async () => {
    const bed = new Bed({ commandTimeoutMs: 50, downMs: 1000 })
    const cache = bed.cache()
    bed.redis.before = () => new Promise(() => {})
    expect(await bed.until(cache.get('k'))).toBe('one')
    const { length } = bed.redis.commands
    expect(await cache.get('k')).toBe('one') // at once, no time has to pass
    bed.redis.before = () => {}
    expect(await cache.get('k')).toBe('one')
    expect(bed.redis.commands.length).toBe(length)
    bed.clock.advance(1000)
    await cache.get('k')
    expect(await cache.get('k')).toBe('one')
    expect(cache.stats()).toMatchObject({ loads: 4, hits: 1 })
  })

  it('fails a get where that is wanted', async () => {
    const bed = new Bed({ onCacheError: 'fail' })
    bed.redis.before = () => Promise.reject(new Error('connect ECONNREFUSED'))
    await expect(bed.cache().get('k')).rejects.toMatchObject({ code: 'UNAVAILABLE', message: /ECONNREFUSED/ })
    await expect(bed.cache().writeThrough('k', 'two', () => void bed.records.set('k', 'two'))).rejects.toThrow()
    expect(bed.records.get('k')).toBe('one')
  })

  it('fails an invalidation always, after the record was changed', async () => {
    const bed = new Bed()
    const cache = bed.cache()
    await cache.get('k')
    bed.redis.before = () => Promise.reject(new Error('Connection is closed.'))
    const change = () => void bed.records.set('k', 'two')
    await expect(cache.update('k', change)).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true })
    expect(bed.records.get('k')).toBe('two')
    // It is asked although it was silent a moment ago.
    bed.redis.before = () => {}
    await cache.invalidate('k')
    bed.clock.advance(1000)
    expect(await cache.get('k')).toBe('two')
  })

  it('costs the caching alone where it refuses one command', async () => {
    const bed = new Bed()
    const cache = bed.cache()
    bed.redis.before = (args) => {
      if (args[0] === 'EVAL') throw new Error('OOM command not allowed')
    }
    expect([await cache.get('k'), await bed.until(cache.get('k'))]).toEqual(['one', 'one'])
    expect(String(bed.errors[0])).toContain('OOM')
    bed.redis.before = () => {}
    await bed.until(cache.get('k'))
    expect(await cache.get('k')).toBe('one')
    expect(cache.stats().hits).toBe(1)
  })

  it('that has no scripts asks for a client that can open a connection', async () => {
    const bed = new Bed({ hasScripts: false })
    const client = { command: (args: readonly string[]) => bed.redis.command(args) }
    await expect(bed.cache({ client }).get('k')).rejects.toMatchObject({ code: 'NOT_SUPPORTED', hint: /duplicate/ })
  })
})

describe('what lies under a key', () => {
  it.each([
    '',
    'plain',
    'bedplate1 v 9999999999999 1',
    'bedplate1 x 9999999999999 1\n"a"',
    'bedplate1 v 9999999999999 1\n{',
  ])('and is no entry counts as missing, and is replaced: %j', async (stored) => {
    const bed = new Bed()
    const cache = bed.cache()
    bed.redis.run(['SET', 'k', stored])
    expect([await cache.get('k'), await cache.get('k')]).toEqual(['one', 'one'])
    expect(cache.stats()).toMatchObject({ loads: 1, hits: 1 })
    expect(cache.stats().unreadable).toBeGreaterThan(0)
  })

  it('of another type is left alone', async () => {
    const bed = new Bed()
    bed.redis.run(['RPUSH', 'k', 'x'])
    expect(await bed.cache().get('k')).toBe('one')
    expect(bed.redis.run(['TYPE', 'k'])).toBe('list')
  })

  it('has its lease in the same slot of a cluster', async () => {
    const bed = new Bed()
    const leases: string[] = []
    bed.redis.before = (args) => {
      if (args.includes('NX')) leases.push(args[1] as string)
    }
    for (const key of ['user:1', '{user}:1', 'a{b', '{}x']) await bed.cache({ prefix: 'p:' }).get(key)
    expect(leases).toEqual(['{p:user:1}:lease', 'p:{user}:1:lease', '{p:a{b}:lease', '{p:{}x}:lease'])
  })

  it('goes when a change fails, which may have done something', async () => {
    const bed = new Bed()
    const cache = bed.cache()
    await cache.get('k')
    const change = () => {
      bed.records.set('k', 'two')
      throw new Error('time-out')
    }
    await expect(cache.update('k', change)).rejects.toThrow('time-out')
    expect(await cache.get('k')).toBe('two')
    await expect(cache.writeThrough('k', 'three', change)).rejects.toThrow('time-out')
    expect(await cache.get('k')).toBe('two')
  })

  it('can be written by another codec', async () => {
    const bed = new Bed()
    const codec = { encode: (value: string) => value.toUpperCase(), decode: (text: string) => text.toLowerCase() }
    const cache = bed.cache({ codec })
    expect([await cache.get('k'), await cache.get('k')]).toEqual(['one', 'one'])
    expect(bed.redis.run(['GET', 'k'])).toMatch(/\nONE$/)
  })
})

describe('options', () => {
  it.each([
    [{ ttlMs: 0 }, 'ttlMs must be a number of at least 1, got 0'],
    [{ ttl: 1 }, 'there is no option "ttl"'],
    [{ jitter: 2 }, 'jitter must be a number of from 0 to 1, got 2'],
    [{ load: undefined }, 'load is missing'],
    [{ client: {} }, 'client must be a client of Redis'],
    [{ onCacheError: 'hang' }, 'onCacheError must be "load" or "fail"'],
  ])('that cannot be are refused: %j', (wrong, message) => {
    const right = { client: new PatternRedis({ clock: new ManualClock() }), ttlMs: 1, load: () => undefined }
    expect(() => cacheAside({ ...right, ...wrong } as never)).toThrow(message)
  })
})
