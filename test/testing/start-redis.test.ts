import { createConnection } from 'node:net'
import { Redis } from 'ioredis'
import { afterEach, describe, expect, it } from 'vitest'
import { seededRandom } from '../../ts/io/random.ts'
import { startRedis } from '../../ts/testing/index.ts'
import { RawClient } from '../support/cache-server.ts'
import { ManualClock } from '../support/manual-clock.ts'

const clients: { disconnect(): void }[] = []
afterEach(() => {
  for (const client of clients.splice(0)) client.disconnect()
})

function connect(url: string): Redis {
  const client = new Redis(url, { retryStrategy: () => 5, maxRetriesPerRequest: 0 })
  client.on('error', () => {})
  clients.push(client)
  return client
}

function raw(port: number): RawClient {
  const client = new RawClient(createConnection({ host: '127.0.0.1', port }))
  clients.push({ disconnect: () => client.socket.destroy() })
  return client
}

describe('startRedis', () => {
  it('serves a client, and any number of servers side by side', async () => {
    await using one = await startRedis()
    await using two = await startRedis({ password: 'grün&' })
    const [a, b] = [connect(one.url), connect(two.url)]
    await Promise.all([a.set('k', 'one'), b.set('k', 'two')])
    expect([await a.get('k'), await b.get('k')]).toEqual(['one', 'two'])
    expect(one.command('GET', 'k')).toBe('one')
    expect(one.port).not.toBe(two.port)
  })

  it('ends with its block, and frees the port', async () => {
    let port = 0
    {
      await using redis = await startRedis()
      port = redis.port
    }
    await using again = await startRedis({ port })
    await expect(startRedis({ port: again.port })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(startRedis({ prt: 1 } as never)).rejects.toThrow('there is no option "prt"')
  })

  it('runs commands past the network, of every kind of reply', async () => {
    await using redis = await startRedis({ random: seededRandom(1) })
    redis.command('RPUSH', 'list', 'ä', 2)
    expect(redis.command('LRANGE', 'list', 0, -1)).toEqual(['ä', '2'])
    expect([redis.command('GET', 'none'), redis.command('STRLEN', 'none')]).toEqual([null, 0])
    expect(() => redis.command('GET', 'list')).toThrow('WRONGTYPE')
    expect(() => redis.command('BLPOP', 'none', 0)).toThrow('it blocks')
    expect(redis.command('PING')).toBe('PONG')
  })

  it('expires by the clock that it is given', async () => {
    const clock = new ManualClock()
    await using redis = await startRedis({ clock })
    redis.command('SET', 'k', 'v', 'PX', 100)
    clock.advance(100)
    expect(redis.command('GET', 'k')).toBe('v')
    clock.advance(1)
    expect(redis.command('GET', 'k')).toBeNull()
  })
})

describe('a snapshot', () => {
  it('brings back every kind of value with its expiry, again and again', async () => {
    const clock = new ManualClock()
    await using redis = await startRedis({ clock })
    redis.command('SET', 'text', 'a', 'PX', 1000)
    redis.command('HSET', 'hash', 'f', 1)
    redis.command('ZADD', 'zset', 1, 'm')
    redis.command('XADD', 'stream', '1-1', 'f', 'v')
    redis.command('SETBIT', 'bits', 7, 1)
    const snapshot = redis.snapshot()
    expect(snapshot.keyCount).toBe(5)
    for (let round = 0; round < 2; round++) {
      redis.command('APPEND', 'bits', 'x')
      redis.command('HSET', 'hash', 'f', 2)
      redis.command('SET', 'more', 1)
      redis.command('DEL', 'text', 'zset')
      redis.command('XADD', 'stream', '2-1', 'f', 'v')
      redis.restore(snapshot)
      expect(redis.command('GET', 'text')).toBe('a')
      expect(redis.command('PTTL', 'text')).toBe(1000)
      expect(redis.command('HGETALL', 'hash')).toEqual(['f', '1'])
      expect(redis.command('ZRANGE', 'zset', 0, -1, 'WITHSCORES')).toEqual(['m', '1'])
      expect(redis.command('XLEN', 'stream')).toBe(1)
      expect(redis.command('STRLEN', 'bits')).toBe(1)
      expect(redis.command('DBSIZE')).toBe(5)
    }
    clock.advance(1001)
    expect(redis.command('EXISTS', 'text')).toBe(0)
  })

  it('is noticed by who watches or waits for its keys', async () => {
    await using redis = await startRedis()
    redis.command('RPUSH', 'list', 'x')
    const snapshot = redis.snapshot()
    redis.command('DEL', 'list')
    const [waiting, watching] = [raw(redis.port), raw(redis.port)]
    watching.send('WATCH list\r\nMULTI\r\nPING\r\n')
    await watching.expect('+OK\r\n+OK\r\n+QUEUED\r\n')
    waiting.send('PING\r\nBLPOP list 0\r\n')
    await waiting.expect('+PONG\r\n')
    redis.restore(snapshot)
    await waiting.expect('*2\r\n$4\r\nlist\r\n$1\r\nx\r\n')
    watching.send('EXEC\r\n')
    await watching.expect('*-1\r\n')
  })

  it('of another server is refused', async () => {
    await using redis = await startRedis()
    await using other = await startRedis({ databases: 1 })
    expect(() => redis.restore(other.snapshot())).toThrow('restore takes')
    expect(() => redis.restore({ keyCount: 0 })).toThrow('restore takes')
  })
})

describe('faults', () => {
  it('fail the n-th command, once or several times, and run it not', async () => {
    await using redis = await startRedis()
    const client = raw(redis.port)
    redis.faults.fail({ command: 'INCR', after: 1, times: 2, error: 'ERR out of order' })
    client.send('INCR n\r\nGET n\r\nINCR n\r\nINCR n\r\nINCR n\r\n')
    await client.expect(':1\r\n$1\r\n1\r\n-ERR out of order\r\n-ERR out of order\r\n:2\r\n')
    redis.faults.fail({ error: 'LOADING not yet' })
    client.send('PING\r\nPING\r\n')
    await client.expect('-LOADING not yet\r\n+PONG\r\n')
    expect(() => redis.faults.fail({ error: 'two\r\nlines' })).toThrow('no error of Redis')
  })

  it('delay replies and keep their order', async () => {
    const clock = new ManualClock()
    await using redis = await startRedis({ clock })
    const client = raw(redis.port)
    const passed = async (reads: number): Promise<void> => {
      for (let i = 0; Number(redis.command('GET', 'n')) < reads && i < 10_000; i++) await clock.turn()
      await clock.turn()
    }
    redis.faults.delay(100)
    client.send('INCR n\r\n')
    await passed(1)
    redis.faults.delay(0)
    client.send('INCR n\r\n')
    await passed(2)
    expect(client.received).toBe('')
    clock.advance(99)
    expect(client.received).toBe('')
    clock.advance(1)
    clock.advance(0)
    await client.expect(':1\r\n:2\r\n')
    client.send('INCR n\r\n')
    await client.expect(':3\r\n')
  })

  it('drop replies of commands that are run, or the commands', async () => {
    await using redis = await startRedis()
    const [one, two] = [raw(redis.port), raw(redis.port)]
    for (const client of [one, two]) {
      client.send('PING\r\n')
      await client.expect('+PONG\r\n')
    }
    redis.faults.drop()
    one.send('INCR replies\r\n')
    while (redis.command('GET', 'replies') !== '1') await new Promise((resolve) => setImmediate(resolve))
    redis.faults.drop('commands')
    two.send('INCR commands\r\n')
    redis.faults.cut()
    expect([await one.closed(), await two.closed()]).toEqual(['', ''])
    expect(redis.command('EXISTS', 'commands')).toBe(0)
  })

  it('cut connections, and let clients in again', async () => {
    await using redis = await startRedis()
    const client = connect(redis.url)
    await client.set('k', 'v')
    redis.faults.cut()
    await expect(client.get('k')).rejects.toThrow()
    expect(await until(() => client.get('k'))).toBe('v')
    redis.faults.down()
    expect(await raw(redis.port).closed()).toBe('')
    redis.faults.clear()
    expect(await until(() => client.get('k'))).toBe('v')
  })

  it('evict keys, and end with a reset', async () => {
    await using redis = await startRedis()
    const client = connect(redis.url)
    await client.mset('a', 1, 'b', 2)
    expect(redis.faults.evict('a', 'none')).toBe(1)
    expect(await client.mget('a', 'b')).toEqual([null, '2'])
    redis.faults.fail({ error: 'ERR no' })
    redis.reset()
    expect(await client.dbsize()).toBe(0)
  })
})

/** Tries again until it works: how fast a client connects again is its own affair. */
async function until<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt()
    } catch {
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}
