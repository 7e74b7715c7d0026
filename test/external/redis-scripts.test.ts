import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Engine } from '../../ts/cache/index.ts'
import { type Random, seededRandom } from '../../ts/io/random.ts'
import { type RealConnection, RealRedis } from './redis/real-redis.ts'
import { SCRIPT_COMMANDS, SCRIPTS } from './redis/scripts.ts'

const SEED = Number(process.env['SEED'] ?? 1)
const EXPRESSIONS = Number(process.env['COMMANDS'] ?? 1000)

let real: RealRedis

beforeAll(async () => {
  real = await RealRedis.start()
})

afterAll(async () => {
  await real?.stop()
})

describe.each(['2', '3'])('with RESP%s', (protocol) => {
  it('scripts answer as those of redis-server 7.0', async () => {
    const both = await Both.connect(protocol)
    for (const script of SCRIPTS) await both.compare(['EVAL', script, '0'])
    expect(both.differences.join('\n\n')).toBe('')
  })

  it('commands about scripts and functions answer as those of redis-server 7.0', async () => {
    const both = await Both.connect(protocol)
    for (const args of SCRIPT_COMMANDS) await both.compare(args)
    expect(both.differences.join('\n\n')).toBe('')
  })

  it('expressions at random answer as those of redis-server 7.0', async () => {
    const both = await Both.connect(protocol)
    const random = seededRandom(SEED)
    for (let i = 0; i < EXPRESSIONS; i++) await both.compare(['EVAL', `return ${expression(random, 3)}`, '0'])
    expect(both.differences.slice(0, 10).join('\n\n')).toBe('')
  })
})

/** A connection to each of the two. */
class Both {
  readonly differences: string[] = []
  readonly #engine = new Engine({ random: seededRandom(1) })
  readonly #session = this.#engine.connect()
  readonly #theirs: RealConnection

  private constructor(theirs: RealConnection) {
    this.#theirs = theirs
  }

  static async connect(protocol: string): Promise<Both> {
    const both = new Both(await real.connect())
    for (const args of [['FLUSHALL'], ['FUNCTION', 'FLUSH'], ['SCRIPT', 'FLUSH'], ['SET', 'k', 'v']])
      await both.compare(args)
    both.#ours(['HELLO', protocol])
    await both.#theirs.one('HELLO', protocol)
    return both
  }

  async compare(args: readonly string[]): Promise<void> {
    const ours = this.#ours(args)
    const theirs = await this.#theirs.one(...args)
    if (ours === theirs) return
    this.differences.push([args.join(' '), ours, theirs].map((text) => JSON.stringify(text)).join('\n'))
  }

  #ours(args: readonly string[]): string {
    this.#engine.execute(this.#session, args, Date.now())
    return Buffer.from(this.#session.reply.take()).toString('latin1')
  }
}

const LEAVES = [
  'nil',
  'true',
  'false',
  '0',
  '1',
  '-7',
  '2.5',
  '1e15',
  '2^53',
  '"a"',
  '"10"',
  '""',
  '"x\\0y"',
  '{}',
  '{1,2}',
]
const CALLS = [
  ...['tonumber', 'type', 'cjson.encode', 'cmsgpack.pack', 'bit.tobit', 'bit.tohex', 'string.len', 'math.floor'],
  ...[
    'redis.sha1hex',
    'redis.error_reply',
    'redis.status_reply',
    'table.concat',
    'string.upper',
    'string.byte',
    'unpack',
  ],
  ...[
    'math.abs',
    'string.reverse',
    'select',
    'rawequal',
    'next',
    'string.format',
    'string.rep',
    'struct.pack',
    'redis.pcall',
  ],
]
const OPERATORS = ['+', '-', '*', '/', '%', '^', '..', '==', '~=', '<', '<=', 'and', 'or']

/** An expression of Lua, most of which end in an error. */
function expression(random: Random, depth: number): string {
  const pick = (from: readonly string[]): string => from[Math.floor(random.next() * from.length)] as string
  const inner = (): string => expression(random, depth - 1)
  const kind = depth === 0 ? 0 : Math.floor(random.next() * 6)
  if (kind === 0) return pick(LEAVES)
  if (kind === 1) return `${pick(CALLS)}(${inner()})`
  if (kind === 2) return `${pick(CALLS)}(${inner()}, ${inner()})`
  if (kind === 3) return `(${inner()}) ${pick(OPERATORS)} (${inner()})`
  if (kind === 4) return `{pcall(function() return ${inner()} end)}`
  return `{${inner()}, ${inner()}}`
}
