import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { COMMAND_SPECS } from '../../ts/cache/commands/specs.ts'
import { type Reply, ReplyDecoder } from '../../ts/wire/resp/index.ts'
import { REDIS_COMMANDS } from '../docs/redis-commands.ts'
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
