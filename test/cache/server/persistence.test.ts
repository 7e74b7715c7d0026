import { describe, expect, it } from 'vitest'
import { parseManifest } from '../../../ts/cache/persistence/aof-files.ts'
import type { Mutant } from '../../../ts/cache/persistence/mutant.ts'
import { CRASH_VARIANTS } from '../../../ts/io/crash-image.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { CacheLife, contentOf, DATA, type LifeClient } from '../../support/cache-life.ts'
import { anyChange } from '../../support/cache-workload.ts'

const AOF = `${DATA}/appendonlydir`
const INCREMENT = `${AOF}/appendonly.aof.1.incr.aof`

/** The same disk as after a process that ended there. */
function reborn(life: CacheLife): SimulatedDisk {
  return new SimulatedDisk({ image: life.disk.currentImage() })
}

async function change(client: LifeClient, random: ReturnType<typeof seededRandom>, nowMs: number): Promise<void> {
  for (const args of anyChange(random, nowMs)) await client.ask(...args)
}

function fileSize(disk: SimulatedDisk, path: string): number {
  const file = disk.open(path, 'read')
  const size = file.size()
  file.close()
  return size
}

/** Writes while the append-only file is rewritten, cuts the power after each acknowledgement, and counts what is missing then. */
async function lostInRewrite(mutant?: Mutant): Promise<number> {
  const random = seededRandom(1)
  const life = await CacheLife.start({ appendOnly: true, appendFsync: 'always', mutant })
  const client = life.client()
  // So much that a rewrite takes several turns.
  await client.ask('SET', 'ballast', Buffer.from(random.bytes(512 * 1024)).toString('latin1'))
  await client.ask('SET', 'count', '0')
  await client.ask('BGREWRITEAOF')
  const acknowledged: number[] = []
  for (let i = 1; i <= 20; i++) {
    await client.ask('SET', 'count', String(i))
    acknowledged.push(life.disk.history.length)
  }
  await life.until(client, 'aof_rewrite_in_progress', '0')
  await life.stop()
  let lost = 0
  for (const [i, point] of acknowledged.entries()) {
    for (const variant of CRASH_VARIANTS) {
      const disk = new SimulatedDisk({ image: life.disk.crashImage(point, variant, random) })
      const later = await CacheLife.start({ disk, appendOnly: true }, life.clock)
      if ((await later.client().ask('GET', 'count')) !== String(i + 1)) lost++
      await later.stop()
    }
  }
  return lost
}

describe('the append-only file', () => {
  it('loses nothing that was acknowledged while it was rewritten', async () => {
    expect(await lostInRewrite()).toBe(0)
    expect(await lostInRewrite({ without: 'manifest before increment', applied: 0 })).toBeGreaterThan(0)
  })

  it.each(['always', 'everysec', 'no'] as const)('brings everything back, with appendfsync %s', async (appendFsync) => {
    const random = seededRandom(appendFsync.length)
    let disk = new SimulatedDisk()
    let content = ''
    for (let round = 0; round < 4; round++) {
      const beginsWithSnapshot = round < 2
      const life = await CacheLife.start({ disk, appendOnly: true, appendFsync, beginsWithSnapshot })
      const client = life.client()
      expect(await contentOf(client)).toBe(content)
      for (let i = 0; i < 150; i++) {
        await change(client, random, life.clock.now())
        if (i === 70 && round % 2 === 1) {
          expect(await client.ask('BGREWRITEAOF')).toBe('Background append only file rewriting started')
        }
      }
      await life.until(client, 'aof_rewrite_in_progress', '0')
      content = await contentOf(client)
      // One life ends in order, the next one is killed.
      if (round % 2 === 0) await life.stop()
      disk = reborn(life)
    }
  })

  it.each([
    ['rdb', true],
    ['aof', false],
  ])(
    'keeps libraries of functions, written down one by one and in a rewritten .base.%s',
    async (type, beginsWithSnapshot) => {
      const code = "#!lua name=lib\nredis.register_function('answer', function() return 42 end)"
      const life = await CacheLife.start({ appendOnly: true })
      const client = life.client()
      await client.ask('FUNCTION', 'LOAD', code)
      const later = await CacheLife.start({ disk: reborn(life), appendOnly: true, beginsWithSnapshot }, life.clock)
      const asker = later.client()
      expect(await asker.ask('FCALL', 'answer', '0')).toBe('42')
      await asker.ask('BGREWRITEAOF')
      await later.until(asker, 'aof_rewrite_in_progress', '0')
      const names = later.disk.list('/data/appendonlydir')
      expect(names).toContain(`appendonly.aof.2.base.${type}`)
      const last = await CacheLife.start({ disk: reborn(later), appendOnly: true }, life.clock)
      expect(await last.client().ask('FCALL', 'answer', '0')).toBe('42')
      for (const each of [life, later, last]) await each.stop()
    },
  )

  it('replays keys as they were, though their time would have come since', async () => {
    const life = await CacheLife.start({ appendOnly: true })
    const client = life.client()
    await client.ask('SET', 'k', 'v', 'PX', '1000')
    await client.ask('PERSIST', 'k')
    await client.ask('SET', 'gone', 'v', 'PX', '1000')
    await client.ask('APPEND', 'gone', 'x')
    const disk = reborn(life)
    life.clock.advance(5000)
    const later = await CacheLife.start({ disk, appendOnly: true }, life.clock)
    const asker = later.client()
    expect(await asker.ask('GET', 'k')).toBe('v')
    expect(await asker.ask('EXISTS', 'gone')).toBe('0')
  })

  it('that ends anywhere in its last group is cut before it, and kept apart', async () => {
    const life = await CacheLife.start({ appendOnly: true })
    const client = life.client()
    await client.ask('SET', 'a', '1')
    const before = fileSize(life.disk, INCREMENT)
    for (const args of [['MULTI'], ['SET', 'b', '2'], ['SET', 'c', '3'], ['EXEC']]) await client.ask(...args)
    const after = fileSize(life.disk, INCREMENT)
    for (let size = before; size < after; size += 3) {
      const disk = reborn(life)
      const file = disk.open(INCREMENT, 'write')
      file.truncate(size)
      file.close()
      await expect(
        CacheLife.start({ disk: reborn(life), appendOnly: true, forgivesTorn: false }),
      ).resolves.toBeDefined()
      const next = await CacheLife.start({ disk, appendOnly: true })
      expect(await contentOf(next.client())).toBe('0 a -1 1')
      expect(fileSize(disk, INCREMENT)).toBe(before)
      expect(disk.kind(`${INCREMENT}.torn`)).toBe(size > before ? 'file' : undefined)
    }
  })

  it('with a byte of a group changed does not show that group', async () => {
    const life = await CacheLife.start({ appendOnly: true })
    await life.client().ask('SET', 'a', 'value')
    const disk = reborn(life)
    const file = disk.open(INCREMENT, 'write')
    file.write(Buffer.from('V'), file.size() - 7)
    file.close()
    const next = await CacheLife.start({ disk, appendOnly: true })
    expect(await contentOf(next.client())).toBe('')
  })

  it.each([
    ['*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n2\r\n*1\r\n$4\r\nPI', '0 a -1 1\n0 b -1 2'],
    ['*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n2\r\n\0\0\0\0', '0 a -1 1'],
  ])('goes on with commands of Redis, and with none where anything else follows: %j', async (text, content) => {
    const life = await CacheLife.start({ appendOnly: true })
    await life.client().ask('SET', 'a', '1')
    const disk = reborn(life)
    const file = disk.open(INCREMENT, 'write')
    file.write(Buffer.from(text), file.size())
    file.close()
    const next = await CacheLife.start({ disk, appendOnly: true })
    expect(await contentOf(next.client())).toBe(content)
  })

  it.each([
    ['*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nSET\r\n$1\r\na', undefined],
    ['*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\nGET b\r\n', /no command begins here/],
    ['*1\r\n$7\r\nNOTHING\r\n', /unknown command 'NOTHING'/],
    ['*1\r\n$8\r\nSHUTDOWN\r\n', /shutdown does not belong there/],
    ['*1\r\n$99999999999\r\nSET', /a length cannot be read/],
    ['*3\r\n$3\r\nSETx\r\n', /does not end where it should/],
  ])('of commands as Redis writes them is read strictly: %j', async (text, refusal) => {
    const disk = new SimulatedDisk()
    disk.mkdir(DATA)
    disk.mkdir(AOF)
    for (const [name, content] of [
      ['appendonly.aof.manifest', 'file appendonly.aof.1.incr.aof seq 1 type i\n'],
      ['appendonly.aof.1.incr.aof', `#TS:1700000000\r\n${text}`],
    ] as const) {
      const file = disk.open(`${AOF}/${name}`, 'create')
      file.write(Buffer.from(content), 0)
      file.close()
    }
    const starting = CacheLife.start({ disk, appendOnly: true })
    if (refusal === undefined) await expect(starting).resolves.toBeDefined()
    else await expect(starting).rejects.toThrow(refusal)
    expect(disk.heldLocks).toBe(refusal === undefined ? 1 : 0)
  })

  it('takes a snapshot as its beginning, where it is new', async () => {
    const life = await CacheLife.start()
    const client = life.client()
    await client.ask('SET', 'k', 'v')
    expect(await client.ask('SAVE')).toBe('OK')
    await life.stop()
    const next = await CacheLife.start({ disk: reborn(life), appendOnly: true })
    expect(await next.client().ask('GET', 'k')).toBe('v')
    const last = await CacheLife.start({ disk: reborn(next), appendOnly: true })
    expect(await last.client().ask('GET', 'k')).toBe('v')
  })

  it('can be begun and ended while the server runs', async () => {
    const life = await CacheLife.start()
    const client = life.client()
    await client.ask('SET', 'a', '1')
    for (let round = 0; round < 2; round++) {
      expect(await client.ask('CONFIG', 'SET', 'appendonly', 'yes')).toBe('OK')
      await client.ask('INCR', 'b')
      await life.until(client, 'aof_rewrite_in_progress', '0')
      await client.ask('INCR', 'b')
      const next = await CacheLife.start({ disk: reborn(life), appendOnly: true })
      expect(await contentOf(next.client())).toBe(`0 a -1 1\n0 b -1 ${3 * round + 2}`)
      expect(await client.ask('CONFIG', 'SET', 'appendonly', 'no')).toBe('OK')
      await client.ask('INCR', 'b')
    }
  })

  it('is rewritten when it has grown', async () => {
    const life = await CacheLife.start({ appendOnly: true, rewriteMinBytes: 10_000 })
    const client = life.client()
    for (let i = 0; i < 200; i++) await client.ask('SET', 'k', 'x'.repeat(100))
    life.clock.advance(1000)
    await life.until(client, 'aof_rewrites', '1')
    expect(life.disk.list(AOF)).toEqual([
      'appendonly.aof.2.base.rdb',
      'appendonly.aof.2.incr.aof',
      'appendonly.aof.manifest',
    ])
    expect(await client.ask('INFO', 'persistence')).toMatch(/aof_current_size:\d{2,3}\r\n/)
  })
})

describe('appendfsync always', () => {
  it('lets no reply leave before what it tells is durable, one sync for all that wait', async () => {
    const life = await CacheLife.start({ appendOnly: true, appendFsync: 'always' })
    const [writer, reader] = [life.client(), life.client()]
    life.disk.manualSyncs = true
    writer.send('SET', 'k', '1')
    await life.clock.turn()
    await life.clock.turn()
    reader.send('GET', 'k')
    writer.send('INCR', 'k')
    for (let i = 0; i < 5; i++) await life.clock.turn()
    expect([writer.replies.length, reader.replies.length, life.disk.pendingSyncs.length]).toEqual([0, 0, 1])
    life.disk.completeSync()
    expect(await writer.next()).toBe('OK')
    for (let i = 0; i < 5; i++) await life.clock.turn()
    expect([writer.replies.length, reader.replies.length, life.disk.pendingSyncs.length]).toEqual([0, 0, 1])
    life.disk.completeSync()
    expect([await writer.next(), await reader.next()]).toEqual(['2', '1'])
    life.disk.manualSyncs = false
    await life.stop()
  })

  it('ends the server when the disk fails, without a reply', async () => {
    const life = await CacheLife.start({ appendOnly: true, appendFsync: 'always' })
    const client = life.client()
    life.disk.failAt({ operation: 'sync', nth: 1, error: 'EIO' })
    client.send('SET', 'k', 'v')
    await expect(life.server.failed).rejects.toThrow('the cache failed')
    expect(client.replies).toEqual([])
    expect(client.isClosed).toBe(true)
    await life.stop()
  })
})

describe('a disk that fails, with appendfsync everysec', () => {
  it('being full refuses commands that write until there is room', async () => {
    const life = await CacheLife.start({ appendOnly: true })
    const client = life.client()
    const fault = life.disk.failAt({ operation: 'write', nth: 1, error: 'ENOSPC', forever: true, shortWrite: true })
    expect(await client.ask('SET', 'a', '1')).toBe('OK')
    const refusal = '-MISCONF Errors writing to the AOF file: No space left on device'
    expect(await client.ask('SET', 'b', '2')).toBe(refusal)
    expect(await client.ask('PING')).toBe(refusal)
    expect(await client.ask('GET', 'a')).toBe('1')
    expect(await client.ask('INFO', 'persistence')).toContain('aof_last_write_status:err')
    fault.cancel()
    life.clock.advance(1000)
    expect(await client.ask('SET', 'c', '3')).toBe('OK')
    const next = await CacheLife.start({ disk: reborn(life), appendOnly: true })
    expect(await contentOf(next.client())).toBe('0 a -1 1\n0 c -1 3')
  })

  it('that does not sync is made good by writing everything anew', async () => {
    const life = await CacheLife.start({ appendOnly: true })
    const client = life.client()
    await client.ask('SET', 'a', '1')
    life.disk.failAt({ operation: 'sync', nth: 1, error: 'EIO' })
    life.clock.advance(1000)
    for (let i = 0; i < 3; i++) await life.clock.turn()
    expect(await client.ask('SET', 'b', '2')).toBe('-MISCONF Errors writing to the AOF file: Input/output error')
    life.clock.advance(1000)
    await life.until(client, 'aof_last_write_status', 'ok')
    expect(await client.ask('SET', 'b', '2')).toBe('OK')
    life.clock.advance(1000)
    await life.clock.turn()
    const durable = life.disk.crashImage(life.disk.history.length, 'none', seededRandom(1))
    const next = await CacheLife.start({ disk: new SimulatedDisk({ image: durable }), appendOnly: true })
    expect(await contentOf(next.client())).toBe('0 a -1 1\n0 b -1 2')
  })
})

describe('snapshots', () => {
  it('are saved and brought back', async () => {
    const random = seededRandom(3)
    const life = await CacheLife.start()
    const client = life.client()
    for (let i = 0; i < 300; i++) await change(client, random, life.clock.now())
    const content = await contentOf(client)
    life.clock.advance(5000)
    for (const name of ['BGSAVE', 'BGSAVE', 'SAVE', 'FLUSHALL']) client.send(name)
    expect(await client.next()).toBe('Background saving started')
    expect(await client.next()).toBe('-ERR Background save already in progress')
    expect(await client.next()).toBe('-ERR Background save already in progress')
    expect(await client.next()).toBe('OK')
    await life.until(client, 'rdb_bgsave_in_progress', '0')
    expect(await client.ask('LASTSAVE')).toBe(String(life.clock.now() / 1000))
    expect(await client.ask('INFO', 'persistence')).toContain('rdb_changes_since_last_save:')
    // A crash at any time after that finds it.
    const image = life.disk.crashImage(life.disk.history.length, 'none', random)
    const next = await CacheLife.start({ disk: new SimulatedDisk({ image }) })
    expect(await contentOf(next.client())).toBe(content)
  })

  it('are saved by themselves when enough has changed, and at the end', async () => {
    const life = await CacheLife.start({ savePoints: [{ seconds: 10, changes: 2 }] })
    const client = life.client()
    await client.ask('SET', 'a', '1')
    life.clock.advance(20_000)
    expect(await client.ask('INFO', 'persistence')).toContain('rdb_saves:0')
    await client.ask('SET', 'b', '2')
    life.clock.advance(1000)
    await life.until(client, 'rdb_saves', '1')
    await client.ask('SET', 'c', '3')
    await life.stop()
    const next = await CacheLife.start({ disk: reborn(life) })
    expect(await contentOf(next.client())).toBe('0 a -1 1\n0 b -1 2\n0 c -1 3')
  })

  it('that cannot be saved refuse writes if that is their setting, until one is', async () => {
    const life = await CacheLife.start({ savePoints: [{ seconds: 3600, changes: 1 }] })
    const client = life.client()
    const fault = life.disk.failAt({ operation: 'write', nth: 1, error: 'ENOSPC', forever: true })
    await client.ask('SET', 'a', '1')
    expect(await client.ask('SAVE')).toBe('-ERR')
    expect(await client.ask('SET', 'a', '2')).toMatch(/^-MISCONF Redis is configured to save RDB snapshots/)
    expect(await client.ask('SHUTDOWN')).toBe('-ERR Errors trying to SHUTDOWN. Check logs.')
    expect(await client.ask('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no')).toBe('OK')
    expect(await client.ask('SET', 'a', '2')).toBe('OK')
    fault.cancel()
    await client.ask('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'yes')
    await client.ask('BGSAVE')
    await life.until(client, 'rdb_last_bgsave_status', 'ok')
    expect(await client.ask('SET', 'a', '3')).toBe('OK')
    expect(life.disk.list(DATA).filter((name) => name.startsWith('temp-'))).toEqual([])
  })

  it('that are damaged, or of more databases, are refused with what is wrong, and left alone', async () => {
    const life = await CacheLife.start()
    const client = life.client()
    await client.ask('SELECT', '9')
    await client.ask('SET', 'k', 'v'.repeat(30))
    await client.ask('SAVE')
    const few = CacheLife.start({ disk: reborn(life), server: { databases: 4 } })
    await expect(few).rejects.toThrow('a key lies in database 9, and there are 4')
    const disk = reborn(life)
    const file = disk.open(`${DATA}/dump.rdb`, 'write')
    file.write(Buffer.from('!'), 30)
    file.close()
    await expect(CacheLife.start({ disk, savePoints: [{ seconds: 1, changes: 1 }] })).rejects.toMatchObject({
      code: 'CORRUPTION',
    })
    expect(disk.heldLocks + disk.openHandles).toBe(0)
  })
})

describe('the server', () => {
  it('answers that it loads until it has', async () => {
    const life = await CacheLife.start()
    const client = life.client()
    for (let i = 0; i < 3000; i++) client.send('SET', `k${i}`, 'v')
    await client.ask('SAVE')
    const next = CacheLife.make({ disk: reborn(life) })
    const started = next.server.start()
    while (!next.isOpen) await next.clock.turn()
    const early = next.client()
    expect(await early.ask('GET', 'k1')).toBe('-LOADING Redis is loading the dataset in memory')
    expect(next.server.ready()).toBe(false)
    expect(await early.ask('INFO', 'persistence')).toContain('loading:1')
    await started
    expect(await early.ask('GET', 'k1')).toBe('v')
    expect(next.server.ready()).toBe(true)
  })

  it('has its directory alone', async () => {
    const disk = new SimulatedDisk()
    const life = await CacheLife.start({ disk })
    await expect(CacheLife.start({ disk })).rejects.toMatchObject({ code: 'LOCKED' })
    await life.stop()
    expect(disk.heldLocks + disk.openHandles).toBe(0)
    await (await CacheLife.start({ disk })).stop()
  })

  it('ends when SHUTDOWN asks for it, with a snapshot if that is said', async () => {
    const life = await CacheLife.start()
    const client = life.client()
    await client.ask('SET', 'k', 'v')
    expect(await client.ask('SHUTDOWN', 'ABORT')).toBe('-ERR No shutdown in progress.')
    expect(await client.ask('SHUTDOWN', 'SAVE', 'NOSAVE')).toBe('-ERR syntax error')
    client.send('SHUTDOWN', 'SAVE', 'NOW')
    expect(await life.server.ended).toBe('SHUTDOWN')
    await life.stop()
    const next = await CacheLife.start({ disk: reborn(life) })
    expect(await next.client().ask('GET', 'k')).toBe('v')
  })

  it('shows and changes its settings', async () => {
    const life = await CacheLife.start({ savePoints: [{ seconds: 60, changes: 5 }] })
    const client = life.client()
    for (const [name, value, shown] of [
      ['save', '10 1 60 5', '10 1 60 5'],
      ['save', '', ''],
      ['appendfsync', 'always', 'always'],
      ['auto-aof-rewrite-min-size', '2mb', '2097152'],
      ['auto-aof-rewrite-percentage', '50', '50'],
      ['aof-load-truncated', 'no', 'no'],
      ['aof-use-rdb-preamble', 'no', 'no'],
    ] as const) {
      expect(await client.ask('CONFIG', 'SET', name, value)).toBe('OK')
      expect(await client.ask('CONFIG', 'GET', name)).toBe(JSON.stringify([name, shown]))
    }
    for (const [name, value] of [
      ['save', '10'],
      ['appendfsync', 'sometimes'],
      ['auto-aof-rewrite-min-size', 'large'],
      ['appendonly', 'maybe'],
      ['dir', '/elsewhere'],
    ] as const) {
      expect(await client.ask('CONFIG', 'SET', name, value)).toMatch(/^-ERR CONFIG SET failed/)
    }
  })
})

describe('manifests', () => {
  it('are read as Redis writes them', () => {
    const text = 'file a.2.base.rdb seq 2 type b\nfile a.1.incr.aof seq 1 type h\nfile a.4.incr.aof seq 4 type i\n'
    expect(parseManifest(text, 'm')).toEqual({
      base: { name: 'a.2.base.rdb', sequence: 2 },
      increments: [{ name: 'a.4.incr.aof', sequence: 4 }],
    })
  })

  it.each([
    'file ../a seq 1 type b',
    'file a/b seq 1 type b',
    'file .. seq 1 type b',
    'file a seq 1 type x',
    'file a seq 1 type b\nfile b seq 2 type b',
    'file a seq 2 type i\nfile b seq 1 type i',
    'nonsense',
  ])('that are none are refused: %j', (text) => {
    expect(() => parseManifest(text, '/data/m')).toThrow(/\/data\/m: line \d is none of a manifest/)
  })
})
