import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Effect, Engine, type Session } from '../../ts/cache/index.ts'
import { type Random, seededRandom } from '../../ts/io/random.ts'
import { chance, Pattern, pick } from './redis/grammar.ts'
import { agrees } from './redis/judge.ts'
import { FURNITURE, SUBJECTS } from './redis/patterns.ts'
import { cutReplies } from './redis/raw-replies.ts'
import { type RealConnection, RealRedis } from './redis/real-redis.ts'
import { slotsFor, spoil } from './redis/slots.ts'

const SEED = Number(process.env['SEED'] ?? 1)
/** Of each type and protocol. */
const COMMANDS = Number(process.env['COMMANDS'] ?? 10_000)
const BATCH = 200
const EVENTS = 'KEAn'
const SHOWN = 20

/** One redis-server is asked what we are asked; another one is given what we propagate. */
let real: RealRedis
let replica: RealRedis

beforeAll(async () => {
  real = await RealRedis.start('--notify-keyspace-events', EVENTS)
  replica = await RealRedis.start()
  // Keys go when they are asked for: when a timer finds them is up to chance.
  for (const server of [real, replica]) await (await server.connect()).one('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
})

afterAll(async () => {
  await real?.stop()
  await replica?.stop()
})

describe.each([2, 3])('with RESP%d', (protocol) => {
  it.each(Object.keys(SUBJECTS))('%s answer, notify and propagate as redis-server 7.0 does', async (name) => {
    const pair = await Pair.connect(protocol as 2 | 3)
    const differences = await compare(pair, name, seededRandom(SEED * 1000 + protocol))
    expect(differences.join('\n\n')).toBe('')
  })
})

/** Ours and the real one, a client and a listener at each. */
class Pair {
  readonly engine = new Engine({ random: seededRandom(1), propagates: true })
  readonly session: Session
  readonly listener: Session
  readonly client: RealConnection
  readonly listening: RealConnection
  /** For what must not wait in a transaction of the client. */
  readonly control: RealConnection
  readonly copy: RealConnection
  readonly #propagated: (readonly string[])[] = []
  #copied = 0

  private constructor([client, listening, control, copy]: readonly RealConnection[]) {
    this.client = client as RealConnection
    this.listening = listening as RealConnection
    this.control = control as RealConnection
    this.copy = copy as RealConnection
    this.session = this.engine.connect()
    this.listener = this.engine.connect()
    this.engine.notifiedEvents = EVENTS
  }

  static async connect(protocol: 2 | 3): Promise<Pair> {
    const pair = new Pair([await real.connect(), await real.connect(), await real.connect(), await replica.connect()])
    await pair.client.one('HELLO', String(protocol))
    pair.ours(['HELLO', String(protocol)])
    await pair.listening.one('PSUBSCRIBE', '__key*')
    pair.ours(['PSUBSCRIBE', '__key*'], pair.listener)
    return pair
  }

  /** Runs a command with us; the bytes of its reply. */
  ours(args: readonly string[], session = this.session): string {
    this.#note(this.engine.execute(session, args, Date.now()))
    return Buffer.from(session.reply.take()).toString('latin1')
  }

  /** What the listeners heard, of redis-server and of us. */
  async heard(): Promise<[string[], string[]]> {
    const ours = cutReplies(Buffer.from(this.listener.reply.take()).toString('latin1'))
    // The last message shows that all have come.
    await this.control.one('PUBLISH', '__key:end', 'end')
    const theirs: string[] = []
    for (;;) {
      const message = (await this.listening.replies(1))[0] as string
      if (message.includes('__key:end')) return [theirs, ours]
      theirs.push(message)
    }
  }

  /** Gives the replica what was propagated. @returns What it holds and what redis-server holds. */
  async digests(): Promise<[string, string]> {
    const errors = (await this.copy.run(this.#propagated)).filter((reply) => reply.startsWith('-'))
    this.#propagated.length = 0
    const copied = errors.join('') + (await this.copy.one('DEBUG', 'DIGEST')) + (await groupsOf(this.copy))
    return [copied, (await this.control.one('DEBUG', 'DIGEST')) + (await groupsOf(this.control))]
  }

  async clear(): Promise<void> {
    for (const args of [
      ['DISCARD'],
      ['UNWATCH'],
      ['CLIENT', 'SETNAME', ''],
      ['FLUSHALL'],
      ['SELECT', '0'],
      ...FURNITURE,
    ]) {
      await this.client.one(...args)
      this.ours(args)
    }
    await this.heard()
  }

  #note(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind !== 'propagate') continue
      if (effect.database !== this.#copied) this.#propagated.push(['SELECT', String(effect.database)])
      this.#copied = effect.database
      this.#propagated.push(effect.args)
    }
  }
}

/** Runs random commands on both. @returns What differed; each difference begins anew with empty databases. */
async function compare(pair: Pair, subject: string, random: Random): Promise<string[]> {
  const { keys, patterns } = SUBJECTS[subject] ?? { keys: [], patterns: [] }
  const slots = slotsFor(keys, random)
  const commands = patterns.map((pattern) => new Pattern(pattern))
  const differences: string[] = []
  await pair.clear()
  for (let done = 0; done < COMMANDS && differences.length < SHOWN; done += BATCH) {
    const batch = Array.from({ length: BATCH }, () => {
      const args = pick(random, commands).make(random, slots)
      return chance(random, 15) === 0 ? spoil(random, args) : args
    })
    const found = await compareBatch(pair, batch)
    if (found !== undefined) differences.push(found)
    if (found !== undefined || chance(random, 10) === 0) await pair.clear()
  }
  return differences
}

async function compareBatch(pair: Pair, batch: readonly (readonly string[])[]): Promise<string | undefined> {
  const replies = await pair.client.run(batch)
  for (const [index, args] of batch.entries()) {
    const ours = pair.ours(args)
    const theirs = replies[index] as string
    if (!agrees(args, theirs, ours, () => isCompact(pair, args))) return show(batch.slice(0, index + 1), theirs, ours)
  }
  const [theirEvents, ourEvents] = await pair.heard()
  const event = theirEvents.findIndex((each, index) => each !== ourEvents[index])
  if (event !== -1 || ourEvents.length > theirEvents.length) {
    const at = event === -1 ? theirEvents.length : event
    return show(batch, around(theirEvents, at), around(ourEvents, at))
  }
  const [copied, original] = await pair.digests()
  return copied === original ? undefined : show(batch, original, copied)
}

/** Whether the key of a command is kept in a form that has an order. */
function isCompact(pair: Pair, [, key = '']: readonly string[]): boolean {
  const inspector = pair.engine.connect()
  inspector.database = pair.session.database
  const encoding = pair.ours(['OBJECT', 'ENCODING', key], inspector)
  pair.engine.disconnect(inspector)
  return /listpack|intset/.test(encoding)
}

function show(history: readonly (readonly string[])[], theirs: string, ours: string): string {
  const args = history.at(-1) ?? []
  const related = history.filter((each) => each.some((arg) => arg.includes(':') && args.includes(arg))).slice(-8, -1)
  const lines = [...related, args].map((each) => JSON.stringify(each)).join('\n')
  return `${lines}\n  redis ${JSON.stringify(theirs.slice(0, 600))}\n  ours  ${JSON.stringify(ours.slice(0, 600))}`
}

/** The messages at `at` and before it, in few words. */
function around(messages: readonly string[], at: number): string {
  return messages
    .slice(Math.max(0, at - 5), at + 2)
    .map((message) =>
      message
        .split('\r\n')
        .slice(-4)
        .join(' ')
        .replaceAll(/\$\d+ /g, ''),
    )
    .join('; ')
}

/** Consumer groups, which digests leave out: all that is known of them but times. */
async function groupsOf(connection: RealConnection): Promise<string> {
  const keys = SUBJECTS['streams']?.keys ?? []
  const replies = await connection.run(keys.map((key) => ['XINFO', 'STREAM', key, 'FULL', 'COUNT', '0']))
  return replies.join('').replaceAll(/:\d{13}\r\n/g, ':moment\r\n')
}
