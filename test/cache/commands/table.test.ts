import { describe, expect, it } from 'vitest'
import type { Command } from '../../../ts/cache/commands/command.ts'
import { COMMANDS } from '../../../ts/cache/commands/table.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { CacheBed } from '../../support/cache.ts'

describe('the table of commands', () => {
  it('has a handler for every command that it lists', () => {
    const all = [...COMMANDS.values()].flatMap((command): Command[] =>
      command.subcommands.size === 0 ? [command] : [...command.subcommands.values()],
    )
    expect(all.filter(({ handler }) => handler.name === 'refuse').map(({ name }) => name)).toEqual([])
    expect(all.length).toBeGreaterThan(200)
  })
})

// Whatever is sent, there is one reply (none if it blocks), an error changes nothing, and the engine goes on.
describe('commands with arguments at random', () => {
  it.each([1, 2, 3])('answer once each (seed %d)', (seed) => {
    const random = seededRandom(seed)
    const names = [...COMMANDS.keys()].filter(
      (name) => !['quit', 'multi', 'hello', 'client', 'subscribe', 'reset'].includes(name),
    )
    const words =
      'a b c d 0 1 -1 2 3 10 1.5 -inf +inf * $ > = ~ ( [a (b - + x NX XX GET EX PX COUNT LIMIT WITHSCORES LEFT RIGHT MIN MAX ' +
      'STREAMS GROUP MATCH BY STORE REV BYSCORE 9223372036854775807 -9223372036854775808 u8 i64 SET INCRBY #1 KEYS MAXLEN'
    const vocabulary = words.split(' ')
    const bed = new CacheBed({ propagates: true })
    for (let step = 0; step < 4000; step++) {
      const name = names[Math.floor(random.next() * names.length)] as string
      const subcommands = [...(COMMANDS.get(name)?.subcommands.keys() ?? [])]
      const args = [name]
      if (subcommands.length > 0) args.push(subcommands[Math.floor(random.next() * subcommands.length)] as string)
      const count = Math.floor(random.next() * 7)
      for (let i = 0; i < count; i++) args.push(vocabulary[Math.floor(random.next() * vocabulary.length)] as string)
      if (args.includes('9223372036854775807') && /bit|setrange/.test(name)) continue
      const session = bed.engine.connect()
      bed.effects = [...bed.engine.execute(session, args, bed.now)]
      const replies = bed.received(session)
      const isBlocked = session.blocked !== undefined
      const isMany = /subscribe/.test(name)
      if (!isMany && replies.length !== (isBlocked ? 0 : 1)) expect([args, replies]).toBe('one reply')
      bed.engine.disconnect(session)
      bed.now += Math.floor(random.next() * 3)
      if (random.next() < 0.01) bed.run('FLUSHALL')
    }
    expect(bed.run('PING')).toBe('PONG')
  })
})
