import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Engine, type Session } from '../../ts/cache/index.ts'
import { type Random, seededRandom } from '../../ts/io/random.ts'
import { chance, Pattern, pick, type Slots } from './redis/grammar.ts'
import { cutReplies } from './redis/raw-replies.ts'
import { type RealConnection, RealRedis } from './redis/real-redis.ts'

const SEED = Number(process.env['SEED'] ?? 1)
const STEPS = Number(process.env['COMMANDS'] ?? 3000)
const CLIENTS = 5
const RENEWED_AFTER = 100

let real: RealRedis

beforeAll(async () => {
  real = await RealRedis.start()
})

afterAll(() => real?.stop())

/**
 * What waits. Only without an end: when time is over is for other tests. And only for one type of value at each key: where clients
 * wait for several, Redis changes their order as it looks for one of the right type, and we do not.
 */
const WAITING = [
  'BLPOP { <list> } 0',
  'BRPOP { <list> } 0',
  'BLMOVE <list> <list> ( LEFT | RIGHT ) ( LEFT | RIGHT ) 0',
  'BRPOPLPUSH <list> <list> 0',
  'BLMPOP 0 2 <list> <list> ( LEFT | RIGHT ) [ COUNT 2 ]',
  'BZPOPMIN { <zset> } 0',
  'BZPOPMAX { <zset> } 0',
  'BZMPOP 0 2 <zset> <zset> ( MIN | MAX ) [ COUNT 2 ]',
  'XREAD [ COUNT 2 ] BLOCK 0 STREAMS <stream> <stream> <id> <id>',
  'XREADGROUP GROUP g <name> BLOCK 0 STREAMS <stream> >',
].map((pattern) => new Pattern(pattern))

/**
 * What wakes, and what only seems to. SWAPDB wakes in the order of a hash table, so it is for other tests as well; and commands that
 * store a result over a value of another type wake with us and, in 7.0, not with Redis.
 */
const WAKING = [
  'RPUSH <list> { <name> }',
  'LPUSH <list> { <name> }',
  'LMOVE <list> <list> LEFT RIGHT',
  'LRANGE <list> 0 -1',
  'ZADD <zset> 1 a 2 b',
  'XADD <stream> * f v',
  'XGROUP CREATE <stream> g $ MKSTREAM',
  'XGROUP DESTROY <stream> g',
  'DEL <key>',
  'SET <key> text',
  'SADD <key> a',
  'RENAME <key> <key>',
  'COPY <key> <key> REPLACE',
  'FLUSHDB',
  'MOVE <key> 1',
].map((pattern) => new Pattern(pattern))

describe.each([2, 3])('with RESP%d', (protocol) => {
  it('clients that wait are served when, in which order and with what redis-server 7.0 serves them', async () => {
    const random = seededRandom(SEED * 1000 + protocol)
    for (let step = 0; step < STEPS; step += RENEWED_AFTER) await play(random, protocol)
  })
})

interface Client {
  readonly session: Session
  readonly connection: RealConnection
}

/** One game of a few clients, each of them new. */
async function play(random: Random, protocol: number): Promise<void> {
  const engine = new Engine({ random: seededRandom(1) })
  const clients: Client[] = []
  for (let i = 0; i < CLIENTS; i++) clients.push({ session: engine.connect(), connection: await real.connect() })
  for (const { session, connection } of clients) {
    engine.execute(session, ['HELLO', String(protocol)], 0)
    session.reply.take()
    await connection.one('HELLO', String(protocol))
  }
  await clients[0]?.connection.run([['FLUSHALL']])
  const history: string[] = []
  const slots: Slots = {
    list: () => pick(random, ['a', 'b', 'c']),
    zset: () => pick(random, ['y', 'z']),
    stream: () => pick(random, ['s', 't']),
    key: () => pick(random, ['a', 'b', 'c', 'y', 'z', 's', 't']),
    name: () => pick(random, ['p', 'q', 'r']),
    id: () => pick(random, ['$', '0', '1-1']),
  }
  for (let step = 0; step < RENEWED_AFTER; step++) {
    const free = clients.filter(({ session }) => session.blocked === undefined)
    const client = pick(random, free)
    const commands = makeCommands(random, slots, free.length > 1)
    history.push(`${clients.indexOf(client)}: ${commands.map((args) => args.join(' ')).join('; ')}`)
    client.connection.send(commands)
    for (const args of commands) engine.execute(client.session, args, Date.now())
    for (const [index, { session, connection }] of clients.entries()) {
      const ours = cutReplies(Buffer.from(session.reply.take()).toString('latin1'))
      const what = `client ${index} after\n${history.slice(-12).join('\n')}`
      const theirs = await connection.replies(ours.length).catch((error: Error) => {
        throw new Error(`${error.message}: ${what}, where we sent ${JSON.stringify(ours)}`)
      })
      expect(ours.map(withoutIds), what).toEqual(theirs.map(withoutIds))
      expect(connection.unread, `${what}, who got more`).toEqual([])
    }
  }
  // Whoever got more than we sent has it now.
  for (const { session, connection } of clients) {
    if (session.blocked === undefined) expect(await connection.one('ECHO', 'end'), history.join('\n')).toContain('end')
    connection.close()
  }
}

/** One command, or some in a transaction; only the last free client must not wait. */
function makeCommands(random: Random, slots: Slots, mayWait: boolean): string[][] {
  const isTransaction = chance(random, 4) === 0
  if (!isTransaction && mayWait && chance(random, 3) === 0) return [pick(random, WAITING).make(random, slots)]
  if (!isTransaction) return [pick(random, WAKING).make(random, slots)]
  const inside = Array.from({ length: 1 + chance(random, 4) }, () => {
    return pick(random, chance(random, 6) === 0 ? WAITING : WAKING).make(random, slots)
  })
  return [['MULTI'], ...inside, ['EXEC']]
}

/** IDs of streams come from the clock. */
function withoutIds(reply: string): string {
  return reply.replaceAll(/\$\d+\r\n\d{13}-\d+\r\n/g, '<id>')
}
