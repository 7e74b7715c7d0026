import { describe, expect, it } from 'vitest'
import { redacted } from '../../../ts/cache/commands/redaction.ts'
import { Statistics } from '../../../ts/cache/commands/statistics.ts'
import { CacheBed, expectReplies } from '../../support/cache.ts'

/** `calls/refused/failed` of a command. */
function figuresOf(bed: CacheBed, name: string): string | undefined {
  const figures = bed.engine.statistics.commands.get(name)
  return figures && `${figures.calls}/${figures.refused}/${figures.failed}`
}

function errorsOf({ engine }: CacheBed): Record<string, number> {
  return { ...Object.fromEntries(engine.statistics.errors), all: engine.statistics.errorCount }
}

describe('what is known of commands', () => {
  it('tells those that failed from those that were not run', () => {
    const bed = new CacheBed()
    expectReplies(bed, ['SET k v', 'OK'], ['SET k', "Error: ERR wrong number of arguments for 'set' command"])
    bed.run('LPUSH k x')
    bed.run('NOTHING')
    expect([figuresOf(bed, 'set'), figuresOf(bed, 'lpush')]).toEqual(['1/1/0', '1/0/1'])
    expect(errorsOf(bed)).toEqual({ ERR: 2, WRONGTYPE: 1, all: 3 })
    bed.engine.statistics.reset()
    expect([figuresOf(bed, 'set'), errorsOf(bed)]).toEqual([undefined, { all: 0 }])
  })

  it('counts each command of a transaction, and EXEC as failed only where it is', () => {
    const bed = new CacheBed()
    for (const line of ['MULTI', 'SET k v', 'LPUSH k x', 'EXEC', 'MULTI', 'SET', 'EXEC', 'EXEC']) bed.run(line)
    expect(['set', 'lpush', 'exec'].map((name) => figuresOf(bed, name))).toEqual(['1/1/0', '1/0/1', '3/0/2'])
    expect(errorsOf(bed)).toEqual({ ERR: 2, WRONGTYPE: 1, EXECABORT: 1, all: 4 })
  })

  it('counts an error once, however a script hands it on', () => {
    const scripts = [
      ["return redis.call('LPUSH', 'k', 'x')", '1/0/1'],
      ["return redis.pcall('LPUSH', 'k', 'x')", '1/0/1'],
      ["redis.pcall('LPUSH', 'k', 'x') return 1", '1/0/0'],
    ] as const
    for (const [script, figures] of scripts) {
      const bed = new CacheBed()
      bed.run('SET k v')
      bed.call(['EVAL', script, '0'])
      expect([script, figuresOf(bed, 'eval'), figuresOf(bed, 'lpush')]).toEqual([script, figures, '1/0/1'])
      expect(errorsOf(bed)).toEqual({ WRONGTYPE: 1, all: 1 })
      bed.run('LPUSH k x')
      expect(errorsOf(bed)).toEqual({ WRONGTYPE: 2, all: 2 })
    }
    const bed = new CacheBed()
    bed.call(['EVAL', "return redis.error_reply('MINE is worse')", '0'])
    bed.call(['EVAL', "return redis.call('SUBSCRIBE', 'c')", '0'])
    expect([errorsOf(bed), figuresOf(bed, 'subscribe')]).toEqual([{ MINE: 1, ERR: 1, all: 2 }, '0/1/0'])
  })

  it('counts what waits when its waiting is over', () => {
    const bed = new CacheBed()
    const other = bed.engine.connect()
    bed.run('BLPOP l 0', other)
    expect(figuresOf(bed, 'blpop')).toBeUndefined()
    bed.run('RPUSH l x')
    expect(figuresOf(bed, 'blpop')).toBe('1/0/0')
    bed.run('BLPOP l 0', other)
    bed.run(`CLIENT UNBLOCK ${other.id} ERROR`)
    bed.run('BLPOP l 1', other)
    bed.wait(1000)
    expect(figuresOf(bed, 'blpop')).toBe('3/0/1')
    expect(errorsOf(bed)).toEqual({ UNBLOCKED: 1, all: 1 })
  })

  it('has no room for codes without end', () => {
    const statistics = new Statistics()
    for (let i = 0; i < 1000; i++) statistics.replied(`CODE${i} is made up`)
    statistics.replied(`${'X'.repeat(40)} is no code`)
    expect([statistics.errors.size, statistics.errorCount]).toEqual([128, 1001])
  })
})

describe('what is logged', () => {
  it('holds no secret', () => {
    const lines = [
      ['auth', 'AUTH me secret', 'AUTH (redacted) (redacted)'],
      ['hello', 'HELLO 3 AUTH me secret SETNAME x', 'HELLO 3 AUTH (redacted) (redacted) SETNAME x'],
      ['config|set', 'CONFIG SET maxmemory 1 requirepass secret', 'CONFIG SET maxmemory 1 requirepass (redacted)'],
      ['config|set', 'CONFIG SET save requirepass', 'CONFIG SET save requirepass'],
      ['acl|setuser', 'ACL SETUSER me >secret', 'ACL SETUSER (redacted) (redacted)'],
      ['migrate', 'MIGRATE h 1 key 0 9 AUTH secret', 'MIGRATE h 1 key 0 9 AUTH (redacted)'],
      ['migrate', 'MIGRATE h 1 auth 0 9 COPY AUTH2 me secret', 'MIGRATE h 1 auth 0 9 COPY AUTH2 (redacted) (redacted)'],
      ['get', 'GET auth', 'GET auth'],
    ] as const
    for (const [name, line, told] of lines) expect(redacted(name, line.split(' ')).join(' ')).toBe(told)
  })
})
