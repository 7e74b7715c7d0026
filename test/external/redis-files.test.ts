// Files go both ways: redis-check-rdb and redis-check-aof accept ours, redis-server loads them, and we load its own.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { DEFAULT_PERSISTENCE } from '../../ts/cache/index.ts'
import { seededRandom } from '../../ts/io/random.ts'
import { realDisk } from '../../ts/io/real-disk.ts'
import { ServerBed } from '../support/cache-server.ts'
import { commandsFor } from '../support/cache-values.ts'
import { directoryInMemory } from '../support/temporary-directory.ts'
import { requirePrograms } from './prerequisites.ts'
import { connectTo, type RealConnection, RealRedis } from './redis/real-redis.ts'

const KEYS = Number(process.env['KEYS'] ?? 60)
const DATABASES = ['0', '3']

requirePrograms('redis-server')

const undo: (() => unknown)[] = []

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

function directory(): string {
  const { path, remove } = directoryInMemory()
  undo.push(remove)
  return path
}

/** A server of ours on that directory. */
async function ours(path: string, appendOnly: boolean): Promise<{ stop: () => Promise<void>; client: RealConnection }> {
  const settings = { ...DEFAULT_PERSISTENCE, directory: path, appendOnly }
  const bed = await ServerBed.start({ persistence: { disk: realDisk, settings } })
  const client = await connectTo(bed.port)
  const stop = once(async () => {
    client.close()
    await bed.stop()
  })
  undo.push(stop)
  return { stop, client }
}

async function theirs(
  path: string,
  appendOnly: boolean,
): Promise<{ stop: () => Promise<void>; client: RealConnection }> {
  const real = await RealRedis.start('--dir', path, '--appendonly', appendOnly ? 'yes' : 'no')
  const stop = once(() => real.stop())
  undo.push(stop)
  return { stop, client: await real.connect() }
}

/** The same, at its first call alone. */
function once(stop: () => Promise<void>): () => Promise<void> {
  let stopped: Promise<void> | undefined
  return () => {
    stopped ??= stop()
    return stopped
  }
}

async function fill(client: RealConnection, seed: number): Promise<void> {
  const random = seededRandom(seed)
  for (const database of DATABASES) {
    await client.one('SELECT', database)
    for (let i = 0; i < KEYS; i++) await client.run(commandsFor(`key:${i}`, random))
    await client.one('EXPIREAT', 'key:1', '4000000000')
    await client.one('MULTI')
    await client.run([['INCR', 'counter'], ['RPUSH', 'list', 'a', 'b'], ['EXEC']])
  }
}

/** What there is, as replies of commands; what is kept without order is sorted by its bytes. */
async function contentOf(client: RealConnection): Promise<string[]> {
  const lines: string[] = []
  for (const database of DATABASES) {
    await client.one('SELECT', database)
    const keys = (await client.one('KEYS', '*')).split('\r\n').filter((line) => /^(?:key:\d+|counter|list)$/.test(line))
    for (const key of keys.sort()) {
      const type = (await client.one('TYPE', key)).trim()
      const asked = {
        '+string': [['GET', key]],
        '+list': [['LRANGE', key, '0', '-1']],
        '+set': [],
        '+zset': [['ZRANGE', key, '0', '-1', 'WITHSCORES']],
        '+hash': [],
        '+stream': [
          ['XRANGE', key, '-', '+'],
          ['XINFO', 'GROUPS', key],
          ['XPENDING', key, 'readers'],
        ],
      }[type] as string[][]
      const all = { '+hash': 'HGETALL', '+set': 'SMEMBERS' }[type]
      const unordered = all === undefined ? '' : (await client.one(all, key)).split('\r\n').sort().join()
      const said = asked.length === 0 ? [] : await client.run(asked)
      lines.push([database, key, type, await client.one('PEXPIRETIME', key), unordered, ...said].join(' '))
    }
  }
  return lines
}

/** Shows no more than the first difference. */
function expectSame(lines: readonly string[], expected: readonly string[]): void {
  const at = expected.findIndex((line, i) => line !== lines[i])
  expect([lines.length, lines[at]]).toEqual([expected.length, expected[at]])
}

function check(program: string, path: string): void {
  const { status, stdout, stderr } = spawnSync(program, [path], { encoding: 'utf8' })
  expect([status, stdout + stderr]).toEqual([0, expect.stringMatching(/OK|valid/)])
}

describe('snapshots', () => {
  it('of ours are accepted and loaded by Redis', async () => {
    const path = directory()
    const { client, stop } = await ours(path, false)
    await fill(client, 1)
    const content = await contentOf(client)
    expect(await client.one('SAVE')).toBe('+OK\r\n')
    await stop()
    check('redis-check-rdb', join(path, 'dump.rdb'))
    expectSame(await contentOf((await theirs(path, false)).client), content)
  })

  it('of Redis are loaded by us', async () => {
    const path = directory()
    const { client, stop } = await theirs(path, false)
    await fill(client, 2)
    const content = await contentOf(client)
    expect(await client.one('SAVE')).toBe('+OK\r\n')
    await stop()
    expectSame(await contentOf((await ours(path, false)).client), content)
  })
})

describe('append-only files', () => {
  it.each(['yes', 'no'])(
    'of ours are accepted and loaded by Redis, and after it by us again (aof-use-rdb-preamble %s)',
    async (preamble) => {
      const path = directory()
      const first = await ours(path, true)
      await first.client.one('CONFIG', 'SET', 'aof-use-rdb-preamble', preamble)
      await fill(first.client, 3)
      const rewritten = await first.client.one('BGREWRITEAOF')
      expect(rewritten).toBe('+Background append only file rewriting started\r\n')
      while (!(await first.client.one('INFO', 'persistence')).includes('aof_rewrites:1\r'))
        await new Promise(setImmediate)
      await fill(first.client, 4)
      const content = await contentOf(first.client)
      await first.stop()
      check('redis-check-aof', join(path, 'appendonlydir', 'appendonly.aof.manifest'))
      const second = await theirs(path, true)
      // ZADD of Redis takes -0 for 0 in small sorted sets.
      const withoutSign = (lines: string[]): string[] =>
        lines.map((line) => line.replaceAll('$2\r\n-0\r\n', '$1\r\n0\r\n'))
      if (preamble === 'no') expectSame(withoutSign(await contentOf(second.client)), withoutSign(content))
      else expectSame(await contentOf(second.client), content)
      await second.client.one('SET', 'key:0', 'by redis')
      const changed = await contentOf(second.client)
      await second.stop()
      const third = await ours(path, true)
      expectSame(await contentOf(third.client), changed)
      await third.client.one('SET', 'key:0', 'by us')
      const last = await contentOf(third.client)
      await third.stop()
      expectSame(await contentOf((await theirs(path, true)).client), last)
    },
  )

  it('of Redis are loaded by us as by Redis', async () => {
    const path = directory()
    const first = await theirs(path, true)
    await fill(first.client, 5)
    await first.stop()
    // Redis does not tell its files how many entries groups have read.
    const again = await theirs(path, true)
    const content = await contentOf(again.client)
    await again.stop()
    expectSame(await contentOf((await ours(path, true)).client), content)
  })
})
