import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { COMMAND_SPECS } from '../../ts/cache/commands/specs.ts'
import { seededRandom } from '../../ts/io/random.ts'
import { type Reply, ReplyDecoder } from '../../ts/wire/resp/index.ts'
import { REDIS_COMMANDS } from '../docs/redis-commands.ts'
import { CacheBed } from '../support/cache.ts'
import { pick } from './redis/grammar.ts'
import { type RealConnection, RealRedis } from './redis/real-redis.ts'

/** Without those that are ours alone. */
const SPECS = [...COMMAND_SPECS.values()].filter(({ name }) => !name.startsWith('bedplate.'))

let real: RealRedis
let client: RealConnection

beforeAll(async () => {
  real = await RealRedis.start()
  client = await real.connect()
})

afterAll(() => real?.stop())

describe('the table of commands', () => {
  it('says of each command what COMMAND INFO of redis-server 7.0 says', async () => {
    const names = SPECS.map(({ name }) => name)
    const replies = await client.run(names.map((name) => ['COMMAND', 'INFO', name]))
    const theirs = replies.map((reply) => facts(reply))
    const ours = SPECS.map(({ name, arity, flags, firstKey, lastKey, step, categories }) => {
      const acl = categories.map((category) => `@${category}`)
      return { name, arity, flags: [...flags].sort(), keys: [firstKey, lastKey, step], categories: acl.sort() }
    })
    expect(ours).toEqual(theirs)
  })

  it('finds the keys that redis-server 7.0 finds, whatever the arguments are', async () => {
    const random = seededRandom(7)
    const words = 'a b c 0 1 2 3 -1 STORE STOREDIST GET BY LIMIT KEYS AUTH AUTH2 STREAMS COUNT GROUP BLOCK NOACK'.split(
      ' ',
    )
    const calls = SPECS.flatMap(({ name, arity }) => {
      const count = (): number => Math.abs(arity) + (arity < 0 ? Math.floor(random.next() * 7) : 0)
      // Redis's specifications look for the words of these three where a value may stand; here what is run counts.
      if (/^georadius(?:bymember)?$|^xreadgroup$/.test(name)) return []
      return Array.from({ length: 40 }, () => {
        const args = name.split('|')
        for (let left = count() - args.length; left > 0; left--) args.push(pick(random, words))
        return args
      }).filter((args) => {
        if (name === 'migrate') return !args.slice(0, 6).includes('KEYS') // it looks for the word where a time-out stands
        return name !== 'pfmerge' || args.length > 2 // it forgets a destination without sources
      })
    })
    const theirs = await client.run(calls.map((args) => ['COMMAND', 'GETKEYS', ...args]))
    const bed = new CacheBed()
    const session = bed.engine.connect()
    const ours = calls.map((args) => {
      bed.engine.execute(session, ['COMMAND', 'GETKEYS', ...args], bed.now)
      return Buffer.from(session.reply.take()).toString('latin1')
    })
    const differences = calls.flatMap((args, i) =>
      ours[i] === theirs[i] ? [] : [[args.join(' '), ours[i], theirs[i]]],
    )
    expect(differences).toEqual([])
  })

  it('is compared with all commands that redis-server 7.0 has', async () => {
    const all = textsOf(await client.one('COMMAND', 'LIST'))
    const isContainer = (name: string): boolean => all.some((each) => each.startsWith(`${name}|`))
    expect([...REDIS_COMMANDS].sort()).toEqual(all.filter((name) => !isContainer(name)).sort())
  })

  it('has of each container no subcommand that redis-server does not have', async () => {
    const containers = new Set(
      [...COMMAND_SPECS.keys()].flatMap((name) => (name.includes('|') ? [name.split('|')[0]] : [])),
    )
    expect([...containers]).toEqual(
      expect.arrayContaining(['client', 'command', 'object', 'pubsub', 'xgroup', 'xinfo']),
    )
    for (const container of containers) {
      const known = await client.one('COMMAND', 'LIST', 'FILTERBY', 'PATTERN', `${container}|*`)
      for (const name of COMMAND_SPECS.keys()) if (name.startsWith(`${container}|`)) expect(known).toContain(name)
    }
  })
})

/** The first six elements of what COMMAND INFO says of one command, and its categories. */
function facts(text: string): object {
  const decoder = new ReplyDecoder()
  decoder.push(Buffer.from(text, 'latin1'))
  const command = itemsOf(itemsOf(decoder.next())[0])
  const [name, arity, flags, firstKey, lastKey, step, categories] = command
  return {
    name: textOf(name),
    arity: numberOf(arity),
    flags: itemsOf(flags).map(textOf).sort(),
    keys: [firstKey, lastKey, step].map(numberOf),
    categories: itemsOf(categories).map(textOf).sort(),
  }
}

function textsOf(text: string): string[] {
  const decoder = new ReplyDecoder()
  decoder.push(Buffer.from(text, 'latin1'))
  return itemsOf(decoder.next()).map((item) => textOf(item) as string)
}

function itemsOf(reply: Reply | undefined): readonly Reply[] {
  return reply !== undefined && 'items' in reply ? reply.items : []
}

function textOf(reply: Reply | undefined): string | undefined {
  return reply !== undefined && 'text' in reply ? reply.text : undefined
}

function numberOf(reply: Reply | undefined): number | undefined {
  return reply?.kind === 'integer' ? Number(reply.value) : undefined
}
