import { afterEach, describe, expect, it } from 'vitest'
import { mayDebug } from '../../../ts/cache/server/debugging.ts'
import { CacheBed, expectReplies } from '../../support/cache.ts'
import { CacheLife, type LifeClient } from '../../support/cache-life.ts'

/** What redis-server 7.0.15 says after `FILLING`. */
const DIGEST = 'd5f6c5e59fa85e8b2d25ee6fcff4ee5754e05956'
const FILLING = [
  'SET s hello',
  'SET n 12345 EX 1000',
  'RPUSH l a b c',
  'SADD set 1 2 3 x',
  'HSET h f v g w',
  'ZADD z 1 a 1.5 b 0.1 c 1e-5 d 1e300 e inf f -inf g 123456789 h 3 i 0 j',
  'XADD st 5-1 f v g w',
  'SELECT 3',
  'SET other db',
  'SELECT 0',
]
const VALUES = {
  s: '36b23a1456b2dce2c3ed252c456761301dba8060',
  n: '074a6e8892a0b0b4fcf085794cb69322c36c9d00',
  l: '8bf72d812571eea9b927f3c11beb0c4165a6ff89',
  set: '3bb087b1948bf20dd8244692cb9519e2c3947234',
  h: 'd127864ed50239662bf61bafc9bda63c17da5b37',
  z: '442f12e4e6d92369598423bee21ee4c9cbbc190e',
  st: '19e4bd886a6ecfa770b4a04e4157bd2ca6f7fff1',
  none: '0000000000000000000000000000000000000000',
}

describe('DEBUG', () => {
  it('gives the digests of redis-server', () => {
    const bed = new CacheBed()
    expect(bed.run('DEBUG DIGEST')).toBe('0'.repeat(40))
    for (const line of FILLING) bed.run(line)
    expect(bed.run('DEBUG DIGEST')).toBe(DIGEST)
    expect(bed.run(`DEBUG DIGEST-VALUE ${Object.keys(VALUES).join(' ')}`)).toEqual(Object.values(VALUES))
  })

  it('leaves keys that are due where they are while nobody asks for them', () => {
    const bed = new CacheBed()
    expectReplies(bed, ['DEBUG SET-ACTIVE-EXPIRE 0', 'OK'], ['SET k v PX 10', 'OK'])
    bed.wait(20)
    expect(bed.engine.nextTickMs()).toBeUndefined()
    expect(bed.run('DEBUG OBJECT k')).toMatch(/^Value at:/)
    expectReplies(bed, ['DBSIZE', 1], ['DEBUG SET-ACTIVE-EXPIRE 1', 'OK'])
    bed.wait(1)
    expectReplies(bed, ['DBSIZE', 0])
  })

  it('lets scripts call what is not for scripts, where it is told to', () => {
    const bed = new CacheBed()
    const attempt = (): unknown => bed.call(['EVAL', "return redis.call('DEBUG', 'PROTOCOL', 'string')", '0'])
    expect(attempt()).toMatch(/^Error: ERR This Redis command is not allowed from script/)
    bed.run('DEBUG SET-DISABLE-DENY-SCRIPTS 1')
    expect(attempt()).toBe('Hello World')
    bed.run('DEBUG SET-DISABLE-DENY-SCRIPTS 0')
    expect(attempt()).toMatch(/^Error: /)
  })

  it('makes keys, answers with what is asked for, and refuses what it does not know', () => {
    const bed = new CacheBed()
    expectReplies(
      bed,
      ['DEBUG POPULATE 3', 'OK'],
      ['GET key:2', 'value:2'],
      ['DEBUG POPULATE 2 p 10', 'OK'],
      ['GET p:1', 'value:1\0\0\0'],
      ['DEBUG POPULATE -1', 'Error: ERR value is out of range, must be positive'],
      ['DEBUG ERROR "MY own"', 'Error: MY own'],
      ['DEBUG PROTOCOL double', '3.141'],
      ['DEBUG PROTOCOL map', [0, 0, 1, 1, 2, 0]],
      ['DEBUG PROTOCOL push', 'Error: ERR RESP2 is not supported by this command'],
      ['DEBUG STRINGMATCH-LEN 3 a?a', 1],
      ['DEBUG STRINGMATCH-LEN 3 b*', 0],
      ['DEBUG OBJECT none', 'Error: ERR no such key'],
      ['DEBUG LISTPACK key:1', 'Error: ERR Not a listpack encoded object.'],
      [
        'DEBUG constructor',
        "Error: ERR unknown subcommand or wrong number of arguments for 'constructor'. Try DEBUG HELP.",
      ],
      ['DEBUG RELOAD', 'Error: ERR this engine has no server'],
      ['MULTI', 'OK'],
      ['DEBUG RELOAD', 'QUEUED'],
      ['EXEC', ['Error: ERR not within a transaction: nothing can be loaded while commands are run']],
    )
    expect(bed.run('DEBUG OBJECT key:1')).toMatch(/^Value at:0x0 refcount:1 encoding:embstr serializedlength:8 /)
    bed.run('RPUSH l a b c')
    expect(bed.run('DEBUG OBJECT l')).toMatch(/ ql_nodes:1 ql_avg_node:3.00 /)
    expect(bed.run('DEBUG HTSTATS 0')).toContain('number of elements: 6')
    expect(bed.run('DEBUG HELP')).toContain('SLEEP <seconds>')
  })

  it.each([
    ['no', '127.0.0.1:5', false],
    ['yes', '10.0.0.1:5', true],
    ['local', '127.0.0.1:5', true],
    ['local', '[::1]:5', true],
    ['local', '10.0.0.1:5', false],
  ] as const)('with enable-debug-command %s lets in %s: %s', (access, remote, expected) => {
    expect(mayDebug(access, remote)).toBe(expected)
  })
})

describe('DEBUG of a server', () => {
  let life: CacheLife
  afterEach(() => life.server.stop())

  async function filled(): Promise<LifeClient> {
    const client = life.client()
    for (const line of FILLING) await client.ask(...line.split(' '))
    return client
  }

  it('is refused unless it is asked for', async () => {
    life = await CacheLife.start()
    expect(await life.client().ask('DEBUG', 'DIGEST')).toMatch(/^-ERR DEBUG command not allowed\. If the enable-debug-/)
  })

  it.each([true, false])(
    'goes by the way of files, or of memory, and all is there again (files: %s)',
    async (hasFiles) => {
      const debugCommands = 'yes'
      life = await CacheLife.start({
        appendOnly: true,
        server: hasFiles ? { debugCommands } : ({ debugCommands, persistence: undefined } as object),
      })
      const client = await filled()
      expect(await client.ask('DEBUG', 'DIGEST')).toBe(DIGEST)
      expect(await client.ask('DEBUG', 'RELOAD')).toBe('OK')
      expect(await client.ask('DEBUG', 'DIGEST')).toBe(DIGEST)
      expect(await client.ask('DEBUG', 'RELOAD', 'NOFLUSH')).toMatch(/^-ERR Error trying to load the RDB dump/)
      expect(await client.ask('DEBUG', 'RELOAD', 'NOFLUSH', 'MERGE')).toBe('OK')
      expect(await client.ask('DEBUG', 'DIGEST')).toBe(DIGEST)
      if (hasFiles) {
        expect(await client.ask('DEL', 's')).toBe('1')
        expect(await client.ask('DEBUG', 'RELOAD', 'NOSAVE')).toBe('OK')
        expect(await client.ask('DEBUG', 'DIGEST')).toBe(DIGEST)
        expect(await client.ask('DEBUG', 'LOADAOF')).toBe('OK')
        expect(await client.ask('EXISTS', 's', 'l')).toBe('1')
      } else {
        expect(await client.ask('DEBUG', 'RELOAD', 'NOSAVE')).toMatch(/keeps nothing on disk/)
        expect(await client.ask('DEBUG', 'LOADAOF')).toMatch(/keeps nothing on disk/)
        expect(await client.ask('DEBUG', 'DIGEST')).toBe(DIGEST)
      }
      // Libraries of functions are there twice, too.
      await client.ask('FLUSHALL')
      await client.ask('FUNCTION', 'LOAD', "#!lua name=l\nredis.register_function('f', function() end)")
      expect(await client.ask('DEBUG', 'RELOAD', 'NOFLUSH')).toMatch(/^-ERR Error trying to load the RDB dump/)
      expect(await client.ask('DEBUG', 'RELOAD', 'NOFLUSH', 'MERGE')).toBe('OK')
    },
  )
})
