import { describe, expect, it } from 'vitest'
import type { EvictionPolicy } from '../../../ts/cache/keyspace/eviction.ts'
import { RdbReader } from '../../../ts/cache/persistence/rdb-reader.ts'
import { drain, replayCommands, replaySnapshot } from '../../../ts/cache/persistence/replay.ts'
import { Snapshot, type SnapshotOptions } from '../../../ts/cache/persistence/snapshot.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { CacheBed, type Plain } from '../../support/cache.ts'
import { describeKey } from '../../support/cache-values.ts'
import { anyChange, below } from '../../support/cache-workload.ts'

/** Everything in the first databases, by commands. */
function contentOf(bed: CacheBed): Record<string, unknown> {
  const content: Record<string, unknown> = {}
  for (let database = 0; database < 3; database++) {
    const session = bed.engine.connect()
    session.database = database
    const ask = (...args: string[]): Plain | undefined => bed.call(args, session)
    for (const key of ask('KEYS', '*') as string[]) {
      content[`${database} ${key}`] = [ask('PEXPIRETIME', key), describeKey(key, (args) => ask(...args))]
    }
    bed.engine.disconnect(session)
  }
  return content
}

function loaded(bytes: Uint8Array, nowMs: number, policy: EvictionPolicy = 'noeviction'): CacheBed {
  const bed = new CacheBed()
  bed.engine.memory.choose(policy, bed.engine.databases)
  bed.now = nowMs
  let given: Uint8Array | undefined = bytes
  const reader = new RdbReader(() => {
    const once = given
    given = undefined
    return once
  }, 'a snapshot')
  const options = { engine: bed.engine, nowMs, dropsExpired: true, loadFunction: () => {} }
  drain<unknown>(
    reader.startsWith('REDIS') ? replaySnapshot(reader, options) : replayCommands(reader, options, () => reader),
  )
  return bed
}

describe('a snapshot', () => {
  it.each([
    [1, false],
    [2, false],
    [3, false],
    [4, false],
    [5, true],
    [6, true],
    [7, true],
  ])(
    'shows what there was when it began, whatever is changed meanwhile (seed %d, as commands: %s)',
    (seed, asCommands) => {
      const random = seededRandom(seed)
      const bed = new CacheBed()
      const change = (): void => {
        for (const args of anyChange(random, bed.now)) bed.call(args)
      }
      for (let i = 0; i < 400; i++) change()
      for (let round = 0; round < 4; round++) {
        const { databases } = bed.engine
        const before = contentOf(bed)
        const snapshot = new Snapshot({ databases, functions: [], aux: [], asCommands })
        const pieces: Uint8Array[] = []
        const nowMs = bed.now
        for (let isEnded = false; !isEnded; ) {
          for (let i = below(random, 12); i > 0; i--) change()
          if (random.next() < 0.2) bed.wait(below(random, 20_000))
          if (random.next() < 0.02) bed.run('FLUSHALL')
          isEnded = snapshot.step(1 + below(random, 200))
          pieces.push(snapshot.take())
        }
        expect(contentOf(loaded(Buffer.concat(pieces), nowMs))).toEqual(before)
        for (let i = 0; i < 50; i++) change()
      }
    },
  )

  it.each(['allkeys-lru', 'volatile-lfu', 'noeviction'] as const)('says of keys what %s goes by', (policy) => {
    const bed = new CacheBed()
    bed.engine.memory.choose(policy, bed.engine.databases)
    for (let i = 0; i < 20; i++) {
      bed.run(`SET k${i} 1`)
      for (let uses = 0; uses < i; uses++) bed.run(`GET k${i}`)
      bed.now += 1500
    }
    bed.now += 120_000
    const { memory, databases } = bed.engine
    const usageOf: SnapshotOptions['usageOf'] = (database, entry) => memory.usageOf(database, entry, bed.now)
    const snapshot = new Snapshot({ databases, functions: [], aux: [], usageOf })
    snapshot.step(1)
    bed.run('SELECT 1')
    bed.run('SET new 1')
    snapshot.step(100_000)
    const copy = loaded(Buffer.from(snapshot.take()), bed.now, policy)
    bed.run('SELECT 0')
    const told = (from: CacheBed): unknown[] =>
      Array.from({ length: 20 }, (_, i) => from.run(`OBJECT ${policy.endsWith('lfu') ? 'FREQ' : 'IDLETIME'} k${i}`))
    if (policy === 'noeviction') expect(told(copy)).toEqual(Array.from({ length: 20 }, () => 0))
    else expect(told(copy)).toEqual(told(bed))
    expect(new Set(told(copy)).size).toBeGreaterThan(policy === 'noeviction' ? 0 : 3)
  })

  it('makes streams anew by commands, with what is pending and gone', () => {
    const bed = new CacheBed()
    for (const line of [
      'XGROUP CREATE empty g $ MKSTREAM',
      'XGROUP CREATECONSUMER empty g idle',
      'XADD emptied 5-1 a b',
      'XDEL emptied 5-1',
      'XADD trimmed 1-1 a 1',
      'XADD trimmed 1-2 a 2',
      'XADD trimmed 1-3 a 3 b 4',
      'XADD trimmed 1-4 a 5',
      'XGROUP CREATE trimmed g 0',
      'XGROUP CREATE trimmed h 1-2 ENTRIESREAD 2',
      'XREADGROUP GROUP g me COUNT 3 STREAMS trimmed >',
      'XREADGROUP GROUP h you STREAMS trimmed >',
      'XTRIM trimmed MAXLEN 3',
      'COPY trimmed deleted',
      'XDEL deleted 1-3',
      'XADD all 1-1 a 1',
      'XGROUP CREATE all g 0',
      'XREADGROUP GROUP g me STREAMS all >',
      'XTRIM all MAXLEN 0',
    ]) {
      expect([line, String(bed.run(line)).startsWith('Error')]).toEqual([line, false])
    }
    const { databases } = bed.engine
    const snapshot = new Snapshot({ databases, functions: [], aux: [], asCommands: true })
    expect(snapshot.step(1e6)).toBe(true)
    const copy = loaded(Buffer.from(snapshot.take()), bed.now)
    for (const key of bed.run('KEYS *') as string[]) {
      expect([key, copy.run(`XINFO STREAM ${key} FULL`)]).toEqual([key, bed.run(`XINFO STREAM ${key} FULL`)])
    }
  })

  it('goes on where all keys are deleted under it, of whose usage nothing is known then', () => {
    const bed = new CacheBed()
    const { memory, databases } = bed.engine
    memory.choose('allkeys-lfu', databases)
    for (let i = 0; i < 100; i++) bed.run(`SET k${i} 1`)
    const usageOf: SnapshotOptions['usageOf'] = (database, entry) => memory.usageOf(database, entry, bed.now)
    const snapshot = new Snapshot({ databases, functions: [], aux: [], usageOf })
    snapshot.step(1)
    bed.run('FLUSHALL')
    bed.run('SET k3 2')
    snapshot.step(100_000)
    const copy = loaded(Buffer.from(snapshot.take()), bed.now, 'allkeys-lfu')
    expect([copy.run('DBSIZE'), copy.run('GET k3'), copy.run('OBJECT FREQ k4')]).toEqual([100, '1', 5])
  })

  it('may be one of several that are under way, each of its own moment', () => {
    const bed = new CacheBed()
    const { databases } = bed.engine
    const begin = (): Snapshot => new Snapshot({ databases, functions: [], aux: [] })
    const finish = (snapshot: Snapshot): unknown => {
      expect(snapshot.step(1000)).toBe(true)
      return contentOf(loaded(Buffer.from(snapshot.take()), bed.now))
    }
    bed.run('SET k 1')
    const first = begin()
    bed.run('SET k 2')
    const givenUp = begin()
    const second = begin()
    bed.run('DEL k')
    bed.run('SET l 3')
    givenUp.abort()
    const contents = [finish(second), finish(first), finish(begin())]
    bed.run('DEL l')
    bed.run('SET k 2')
    const expected = [finish(begin())]
    bed.run('SET k 1')
    expected.push(finish(begin()))
    expect(contents.slice(0, 2)).toEqual(expected)
    expect(contents[2]).not.toEqual(contents[0])
  })
})
