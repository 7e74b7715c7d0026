// MIGRATE between servers, and against a target in hand.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { seededRandom } from '../../../ts/io/random.ts'
import { CacheBed, type Plain } from '../../support/cache.ts'
import { type RawClient, ServerBed } from '../../support/cache-server.ts'
import { FakeTarget } from '../../support/fake-target.ts'

const OK = '+OK\r\n'
const SILENT_MS = 30
const NOT_ANSWERED = '-IOERR error or timeout reading to target instance\r\n'
const closing: (() => unknown)[] = []

let source: ServerBed
let client: RawClient

beforeEach(async () => {
  source = await start()
  client = source.raw()
})

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function start(options: Parameters<typeof ServerBed.start>[0] = {}): Promise<ServerBed> {
  const bed = await ServerBed.start(options)
  closing.push(() => bed.stop())
  return bed
}

async function fake(answer?: (args: readonly string[]) => string): Promise<FakeTarget> {
  const target = await FakeTarget.start(answer)
  closing.push(() => target.stop())
  return target
}

/** Sends a line and waits for what it is answered. */
async function talk(who: RawClient, ...script: readonly (readonly [string, string])[]): Promise<void> {
  for (const [line, reply] of script) {
    who.send(`${line}\r\n`)
    await who.expect(reply)
  }
}

describe('MIGRATE', () => {
  it('moves keys of every type, with what they have left to live, and tells files and replicas that they are gone', async () => {
    const target = await start()
    const there = target.raw()
    await talk(
      client,
      ['SET s value PX 100000', OK],
      ['SET n 12', OK],
      ['RPUSH l a b', ':2\r\n'],
      ['SADD set 1 2', ':2\r\n'],
      ['HSET h f v', ':1\r\n'],
      ['ZADD z 1.5 m', ':1\r\n'],
      ['XADD x 5-1 f v', '$3\r\n5-1\r\n'],
      [`MIGRATE 127.0.0.1 ${target.port} "" 2 5000 KEYS s n l set h z x none s`, OK],
      ['EXISTS s n l set h z x', ':0\r\n'],
      [`MIGRATE 127.0.0.1 ${target.port} s 2 5000`, '+NOKEY\r\n'],
    )
    await talk(
      there,
      ['SELECT 2', OK],
      ['DBSIZE', ':7\r\n'],
      ['GET s', '$5\r\nvalue\r\n'],
      ['GET n', '$2\r\n12\r\n'],
      ['LRANGE l 0 -1', '*2\r\n$1\r\na\r\n$1\r\nb\r\n'],
      ['ZSCORE z m', '$3\r\n1.5\r\n'],
      ['XLEN x', ':1\r\n'],
      ['TTL n', ':-1\r\n'],
    )
    there.send('PTTL s\r\n')
    await there.expect(':')
    expect(Number.parseInt(there.received, 10)).toBeGreaterThan(50_000)
    expect(Number.parseInt(there.received, 10)).toBeLessThanOrEqual(100_000)
  })

  it('leaves copies, replaces or is refused, and says who asks', async () => {
    const target = await start({ password: 'secret' })
    const there = target.raw()
    const to = `MIGRATE 127.0.0.1 ${target.port} k 0 5000`
    await talk(there, ['AUTH secret', OK], ['SET k old', OK])
    await talk(
      client,
      ['SET k new', OK],
      [to, '-ERR Target instance replied with error: NOAUTH Authentication required.\r\n'],
      [
        `${to} AUTH no`,
        '-ERR Target instance replied with error: WRONGPASS invalid username-password pair or user is disabled.\r\n',
      ],
    )
    await talk(
      client,
      [`${to} AUTH secret`, '-ERR Target instance replied with error: BUSYKEY Target key name already exists.\r\n'],
      ['GET k', '$3\r\nnew\r\n'],
      [`${to} COPY REPLACE AUTH2 default secret`, OK],
      ['GET k', '$3\r\nnew\r\n'],
      [`${to} REPLACE AUTH secret`, OK],
      ['GET k', '$-1\r\n'],
    )
    await talk(there, ['GET k', '$3\r\nnew\r\n'])
  })

  it('takes nothing but OK for an acknowledgement', async () => {
    const target = await fake(() => ':1\r\n')
    await talk(
      client,
      ['SET k v', OK],
      [
        `MIGRATE 127.0.0.1 ${target.port} k 0 5000`,
        '-ERR Target instance replied with error: it answers something else than OK\r\n',
      ],
      ['GET k', '$1\r\nv\r\n'],
    )
  })

  it.each([
    ['k 0 x', '-ERR value is not an integer or out of range'],
    ['k x 10', '-ERR value is not an integer or out of range'],
    ['k 0 10 NONSENSE', '-ERR syntax error'],
    ['k 0 10 AUTH', '-ERR syntax error'],
    ['k 0 10 AUTH2 user', '-ERR syntax error'],
    ['k 0 10 KEYS a', '-ERR When using MIGRATE KEYS option, the key argument must be set to the empty string'],
    ['none 0 10', '+NOKEY'],
    ['"" 0 10 KEYS none', '+NOKEY'],
    ['k 0 10', '-IOERR error or timeout connecting to the client'],
  ])('answers %s with %s', async (rest, reply) => {
    await talk(client, ['SET k v', OK], [`MIGRATE 127.0.0.1 1 ${rest}`, `${reply}\r\n`], ['GET k', '$1\r\nv\r\n'])
  })

  it('keeps what a target has not acknowledged', async () => {
    const target = await fake(([name, key]) =>
      key === 'b' ? '-ERR no room\r\n' : `+${name === 'RESTORE' ? 'OK' : '?'}\r\n`,
    )
    const to = `MIGRATE 127.0.0.1 ${target.port} "" 0 ${SILENT_MS} KEYS`
    await talk(
      client,
      ['MSET a 1 b 2 c 3', OK],
      [`${to} a b c`, '-ERR Target instance replied with error: ERR no room\r\n'],
      ['MGET a b c', '*3\r\n$-1\r\n$1\r\n2\r\n$-1\r\n'],
    )
    target.answer = undefined
    await talk(client, [`${to} b`, NOT_ANSWERED], ['GET b', '$1\r\n2\r\n'])
    target.answer = () => 'nonsense\r\n'
    await talk(client, [`${to} b`, NOT_ANSWERED], ['GET b', '$1\r\n2\r\n'])
    target.answer = () => '$65537\r\n'
    await talk(client, [`${to} b`, NOT_ANSWERED], ['GET b', '$1\r\n2\r\n'])
  })

  it('takes a connection again, and another one if the target has closed it', async () => {
    const target = await fake(() => OK)
    const move = async (key: string, rest = ''): Promise<void> => {
      await talk(client, [`SET ${key} v`, OK], [`MIGRATE 127.0.0.1 ${target.port} ${key} 3 5000 ${rest}`, OK])
    }
    await move('a')
    await move('b')
    expect(target.connectionCount).toBe(1)
    expect(target.asked.map(({ args: [name] }) => name)).toEqual(['SELECT', 'RESTORE', 'RESTORE'])
    target.answer = (args) => {
      // The third is cut off: nobody knows whether it was there.
      if (target.connectionCount === 1) target.cut()
      return args.length > 0 ? OK : ''
    }
    await move('c')
    expect(target.connectionCount).toBe(2)
    await move('d', 'AUTH secret')
    await move('e', 'AUTH secret')
    expect(target.connectionCount).toBe(3)
    expect(target.asked.filter(({ args: [name] }) => name === 'AUTH').length).toBe(1)
  })

  it('sends ahead of a target that reads slowly, values of any size', async () => {
    const target = await start()
    const value = 'x'.repeat(300_000)
    const keys = Array.from({ length: 40 }, (_, index) => `k${index}`)
    for (const key of keys) {
      client.send(`*3\r\n$3\r\nSET\r\n$${key.length}\r\n${key}\r\n$${value.length}\r\n${value}\r\n`)
      await client.expect(OK)
    }
    await talk(client, [`MIGRATE 127.0.0.1 ${target.port} "" 0 5000 KEYS ${keys.join(' ')}`, OK], ['DBSIZE', ':0\r\n'])
    await talk(target.raw(), ['DBSIZE', ':40\r\n'], ['STRLEN k39', ':300000\r\n'])
  })

  it('outlives targets that answer anything', async () => {
    const random = seededRandom(7)
    const garbage = (): string => {
      const kinds = '+ - : $ * _ % > | ~ ( , \r\n \n 9 $-1\r\n *1\r\n NO'.split(' ')
      return Array.from({ length: 6 }, () => kinds[Math.floor(random.next() * kinds.length)]).join('')
    }
    const target = await fake(garbage)
    await talk(client, ['SET k v', OK])
    for (let round = 0; round < 150; round++) {
      client.send(`MIGRATE 127.0.0.1 ${target.port} k 0 5\r\nGET k\r\n`)
      await client.expect('-')
      const [error = '', bytes = ''] = await lines(client, 2)
      expect(error).toMatch(/^(?:IOERR|ERR Target instance)/)
      expect(bytes).toBe('$1')
      await client.expect('v\r\n')
    }
  })
})

describe('a key on its way', () => {
  let target: FakeTarget
  let asking: RawClient

  beforeEach(async () => {
    target = await fake()
    asking = source.raw()
    await talk(client, ['MSET k v other o', OK])
    asking.send(`MIGRATE 127.0.0.1 ${target.port} k 0 5000\r\n`)
    await target.nth(0)
  })

  it('lets those wait who name it, and nobody else', async () => {
    const [reader, writer, transaction, flusher] = [source.raw(), source.raw(), source.raw(), source.raw()] as const
    await talk(transaction, ['MULTI', OK], ['GET k', '+QUEUED\r\n'])
    reader.send('GET other\r\nGET k\r\nGET other\r\n')
    writer.send('PING\r\nMSET k w other w\r\n')
    transaction.send('EXEC\r\n')
    flusher.send('PING\r\nDEL other\r\nFLUSHALL\r\n')
    await reader.expect('$1\r\no\r\n')
    await writer.expect('+PONG\r\n')
    await flusher.expect('+PONG\r\n:1\r\n')
    await talk(client, ['DBSIZE', ':1\r\n'], ['SPUBLISH k m', ':0\r\n'], ['EXISTS none', ':0\r\n'])
    for (const held of [reader, writer, transaction, flusher]) expect(held.received).toBe('')
    target.say(OK)
    await asking.expect(OK)
    // In the order in which they connected.
    await reader.expect('$-1\r\n')
    await writer.expect(OK)
    await transaction.expect('*1\r\n$1\r\nw\r\n')
    await flusher.expect(OK)
    await talk(client, ['DBSIZE', ':0\r\n'])
  })

  it('is served again when the target fails', async () => {
    const writer = source.raw()
    writer.send('APPEND k w\r\n')
    await talk(client, ['PING', '+PONG\r\n'])
    target.cut()
    await asking.expect(NOT_ANSWERED)
    await writer.expect(':2\r\n')
  })

  it('goes although nobody waits for it any more, and CLIENT UNBLOCK does not stop it', async () => {
    const { id } = /id=(?<id>\d+) .* cmd=migrate/.exec(await clientList())?.groups ?? {}
    await talk(client, [`CLIENT UNBLOCK ${id}`, ':0\r\n'])
    asking.socket.destroy()
    target.say(OK)
    const reader = source.raw()
    await talk(reader, ['GET k', '$-1\r\n'])
  })

  it('is kept if a script has changed it that did not name it', async () => {
    await talk(client, [`EVAL "return redis.call('append', 'k', '!')" 0`, ':2\r\n'])
    target.say(OK)
    await asking.expect('-IOERR a key was changed by a command that did not name it')
    await talk(client, ['GET k', '$2\r\nv!\r\n'])
  })

  it('is deleted when writing is possible again, if it was paused', async () => {
    await talk(client, ['CLIENT PAUSE 100000 WRITE', OK])
    target.say(OK)
    // What the server has read after the answer is answered: the key is still there.
    await talk(client, ['PING', '+PONG\r\n'], ['DBSIZE', ':2\r\n'])
    expect(asking.received).toBe('')
    await talk(client, ['CLIENT UNPAUSE', OK])
    await asking.expect(OK)
    await talk(client, ['DBSIZE', ':1\r\n'])
  })

  async function clientList(): Promise<string> {
    client.send('CLIENT LIST\r\n')
    await client.expect('$')
    const [length = ''] = await lines(client, 1)
    const [list = ''] = [client.received.slice(0, Number(length))]
    await client.expect(`${list}\r\n`)
    return list
  }
})

describe('the engine', () => {
  it('makes an effect of it, and propagates what has gone as DEL', () => {
    const bed = new CacheBed({ propagates: true })
    bed.run('MSET a 1 b 2')
    bed.run('MIGRATE h 1 "" 0 10 KEYS a b')
    const [, effect] = bed.effects
    if (effect?.kind !== 'migrate') throw new Error('there is no transfer')
    const { transfer } = effect
    expect(transfer.next(bed.now)?.slice(0, 3)).toEqual(['RESTORE', 'a', '0'])
    transfer.answered(true)
    bed.effects = [...bed.engine.intervene(bed.now, () => bed.engine.endTransfer(transfer, undefined, true))]
    expect(bed.propagated()).toEqual(['DEL a'])
    expect(bed.received()).toEqual(['OK'])
    expect(bed.run('MGET a b')).toEqual([null, '2'])
  })

  it('refuses it where nobody can wait', () => {
    const bed = new CacheBed()
    const refusal = 'Error: ERR MIGRATE waits for another server: it is not for transactions and scripts'
    bed.run('SET k v')
    bed.run('MULTI')
    bed.run('MIGRATE h 1 k 0 10')
    expect(bed.run('EXEC')).toEqual([refusal] satisfies Plain)
    expect(bed.run(`EVAL "return redis.pcall('migrate', 'h', '1', 'k', '0', '10')" 1 k`)).toBe(refusal)
  })

  it('finds the keys of every form', () => {
    const bed = new CacheBed()
    const keys = (line: string): Plain | undefined => bed.run(`COMMAND GETKEYS MIGRATE h 1 ${line}`)
    expect(keys('k 0 10 COPY')).toEqual(['k'])
    expect(keys('"" 0 10 AUTH keys KEYS a b')).toEqual(['a', 'b'])
    expect(keys('"" 0 10 AUTH2 keys keys COPY KEYS a')).toEqual(['a'])
    expect(keys('"" 0 10')).toEqual([''])
  })
})

/** The next lines of a reply, without their ends. */
async function lines(from: RawClient, count: number): Promise<string[]> {
  const found: string[] = []
  while (found.length < count) {
    const end = from.received.indexOf('\r\n')
    if (end === -1) await new Promise((resolve) => from.socket.once('data', resolve))
    else {
      found.push(from.received.slice(0, end))
      await from.expect(from.received.slice(0, end + 2))
    }
  }
  return found
}
