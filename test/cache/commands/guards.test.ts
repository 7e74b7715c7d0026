// What keeps an engine whole whatever a driver or a bug does to it.
import { describe, expect, it } from 'vitest'
import { ReplyWriter } from '../../../ts/wire/resp/index.ts'
import { CacheBed, expectReplies } from '../../support/cache.ts'
import { codeOf } from '../../support/errors.ts'

describe('an engine', () => {
  it('runs nothing for a session that waits', () => {
    const bed = new CacheBed()
    const session = bed.engine.connect()
    expect(bed.run('BLPOP l 0', session)).toBeUndefined()
    expect(codeOf(() => bed.run('PING', session))).toBe('INTERNAL')
    expectReplies(bed, ['RPUSH l a', 1])
    expect(bed.received(session)).toEqual([['l', 'a']])
  })

  it('does nothing any more once a bug has stopped it in the middle', () => {
    let fails = true
    const refuse = (): undefined => {
      if (fails) throw new TypeError('a bug')
    }
    const bed = new CacheBed({ refuse })
    expect(() => bed.run('PING')).toThrow('a bug')
    fails = false
    expect(codeOf(() => bed.run('PING'))).toBe('INTERNAL')
  })

  it('answers commands of a server with an error where there is none', () => {
    expectReplies(new CacheBed(), ['INFO', 'Error: ERR this engine has no server'])
  })

  it('queues no more than a transaction may cost, and then runs none of it', () => {
    const bed = new CacheBed()
    bed.run('MULTI')
    const value = 'v'.repeat(2 ** 28)
    const replies = Array.from({ length: 5 }, () => bed.call(['SET', 'k', value]))
    expect(replies).toEqual(['QUEUED', 'QUEUED', 'QUEUED', 'Error: ERR the transaction is too large', 'QUEUED'])
    expectReplies(bed, ['EXEC', 'Error: EXECABORT Transaction discarded because of previous errors.'], ['EXISTS k', 0])
  })

  it('lets one session listen to so much', () => {
    const bed = new CacheBed()
    const channels = Array.from({ length: 2 ** 17 }, (_, index) => String(index))
    bed.call(['SUBSCRIBE', ...channels])
    expect(bed.run('PSUBSCRIBE p')).toBe('Error: ERR a connection listens to at most 131072 channels and patterns')
  })
})

describe('a writer of replies', () => {
  it('holds no more than it may, and says that it was too much', () => {
    const writer = new ReplyWriter()
    writer.limitBytes = 10_000
    for (let i = 0; i < 1000; i++) writer.bulk('x'.repeat(100))
    expect(writer.isOverLimit).toBe(true)
    expect(writer.length).toBeLessThanOrEqual(10_000)
    writer.truncate(9_999_999)
    expect(writer.bytes().length).toBe(writer.length)
  })
})
