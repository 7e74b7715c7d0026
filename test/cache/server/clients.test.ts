// Client libraries as they are on npm.
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ServerBed } from '../../support/cache-server.ts'

let bed: ServerBed
const closing: (() => unknown)[] = []

beforeEach(async () => {
  bed = await ServerBed.start()
})

afterEach(async () => {
  for (const close of closing.splice(0)) close()
  await bed.stop()
})

function connectIoredis(options: Record<string, unknown> = {}): Redis {
  const client = new Redis({ host: '127.0.0.1', port: bed.port, retryStrategy: () => 5, ...options })
  client.on('error', () => {})
  closing.push(() => client.disconnect())
  return client
}

async function connectNodeRedis(options: Record<string, unknown> = {}, reconnectStrategy: number | false = 5) {
  const socket = { host: '127.0.0.1', port: bed.port, reconnectStrategy }
  const client = createClient({ RESP: 3, ...options, socket })
  client.on('error', () => {})
  closing.push(() => client.destroy())
  await client.connect()
  return client
}

describe('ioredis', () => {
  it('works with strings and hashes, bytes among them', async () => {
    const client = connectIoredis()
    expect(await client.set('k', 'grün')).toBe('OK')
    expect(await client.get('k')).toBe('grün')
    expect(await client.get('none')).toBeNull()
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    await client.set('bytes', bytes)
    expect(await client.getBuffer('bytes')).toEqual(bytes)
    await client.hset('h', { a: 1, b: 'two' })
    expect(await client.hgetall('h')).toEqual({ a: '1', b: 'two' })
    await expect(client.lpush('k', 'x')).rejects.toThrow(/WRONGTYPE/)
  })

  it('gets the replies of long pipelines in order, and of transactions', async () => {
    const client = connectIoredis()
    const pipeline = client.pipeline()
    for (let i = 0; i < 5000; i++) pipeline.incr('n')
    const replies = (await pipeline.exec()) ?? []
    expect(replies.map(([, value]) => value)).toEqual(Array.from({ length: 5000 }, (_, i) => i + 1))
    expect(await client.multi().set('a', '1').incr('a').exec()).toEqual([
      [null, 'OK'],
      [null, 2],
    ])
  })

  it('is told that a watched key was changed', async () => {
    const [client, other] = [connectIoredis(), connectIoredis()]
    await client.watch('w')
    await other.set('w', '1')
    expect(await client.multi().set('w', '2').exec()).toBeNull()
  })

  it('listens to channels and patterns', async () => {
    const [listener, speaker] = [connectIoredis(), connectIoredis()]
    const heard: string[][] = []
    await listener.subscribe('news')
    await listener.psubscribe('n*')
    const both = new Promise<void>((resolve) => {
      const hear = (...parts: string[]): void => {
        heard.push(parts)
        if (heard.length === 2) resolve()
      }
      listener.on('message', hear)
      listener.on('pmessage', hear)
    })
    expect(await speaker.publish('news', 'hello')).toBe(2)
    await both
    expect(heard).toEqual([
      ['news', 'hello'],
      ['n*', 'news', 'hello'],
    ])
  })

  it('waits for what another pushes, and for time to pass', async () => {
    const [waiting, pushing] = [connectIoredis(), connectIoredis()]
    const popped = waiting.blpop('list', 0)
    await pushing.rpush('list', 'a')
    expect(await popped).toEqual(['list', 'a'])
    expect(await waiting.blpop('list', 0.01)).toBeNull()
  })

  it('connects again after it was killed, and goes on', async () => {
    const [victim, killer] = [connectIoredis(), connectIoredis()]
    await victim.set('k', 'v')
    const id = await victim.client('ID')
    const again = new Promise((resolve) => victim.once('reconnecting', resolve))
    expect(await killer.client('KILL', 'ID', id)).toBe(1)
    await again
    expect(await victim.get('k')).toBe('v')
    expect(await victim.client('ID')).not.toBe(id)
  })

  it('sees keys expire', async () => {
    const [client, listener] = [connectIoredis(), connectIoredis()]
    await client.config('SET', 'notify-keyspace-events', 'Ex')
    await listener.subscribe('__keyevent@0__:expired')
    const expired = new Promise((resolve) => listener.once('message', (_channel, key) => resolve(key)))
    await client.set('short', 'v', 'PX', 5)
    expect(await expired).toBe('short')
    expect(await client.dbsize()).toBe(0)
  })
})

describe('node-redis', () => {
  it.each([2, 3])('works with RESP%d: strings, hashes, pipelines, transactions', async (RESP) => {
    const client = await connectNodeRedis({ RESP })
    await client.set('k', 'v')
    await client.hSet('h', { a: '1' })
    const [text, hash] = await Promise.all([client.get('k'), client.hGetAll('h')])
    expect([text, { ...hash }]).toEqual(['v', { a: '1' }])
    expect(await client.multi().incr('n').incrBy('n', 2).exec()).toEqual([1, 3])
    await client.zAdd('z', { score: 1.5, value: 'm' })
    expect(await client.zScore('z', 'm')).toBe(1.5)
    const keys: string[] = []
    for await (const found of client.scanIterator()) keys.push(...[found].flat())
    expect(keys.sort()).toEqual(['h', 'k', 'n', 'z'])
  })

  it('listens and asks on one connection with RESP3', async () => {
    const client = await connectNodeRedis()
    const heard = new Promise((resolve) => {
      void client.subscribe('c', resolve)
    })
    expect(await client.get('none')).toBeNull()
    const speaker = await connectNodeRedis()
    while ((await speaker.publish('c', 'm')) === 0);
    expect(await heard).toBe('m')
  })

  it('waits for a stream and for a list', async () => {
    const [waiting, adding] = [await connectNodeRedis(), await connectNodeRedis()]
    const popped = waiting.blPop('list', 0)
    await adding.lPush('list', 'a')
    expect({ ...(await popped) }).toEqual({ key: 'list', element: 'a' })
  })
})

describe('with a password', () => {
  beforeEach(async () => {
    await bed.stop()
    bed = await ServerBed.start({ password: 'secret' })
  })

  it('both libraries come in, with HELLO or AUTH', async () => {
    expect(await connectIoredis({ password: 'secret' }).ping()).toBe('PONG')
    expect(await (await connectNodeRedis({ password: 'secret' })).ping()).toBe('PONG')
    expect(await (await connectNodeRedis({ password: 'secret', RESP: 2 })).ping()).toBe('PONG')
  })

  it('nobody comes in without it', async () => {
    const client = connectIoredis({ enableReadyCheck: false })
    await expect(client.get('k')).rejects.toThrow(/NOAUTH/)
    await expect(connectNodeRedis({ password: 'wrong' }, false)).rejects.toThrow(/WRONGPASS/)
  })
})

describe('a cache within the client', () => {
  it('of node-redis is told when what it keeps has changed', async () => {
    const clientSideCache = { ttl: 0, maxEntries: 100, evictPolicy: 'LRU' as const }
    const client = await connectNodeRedis({ clientSideCache })
    const other = await connectNodeRedis()
    await other.set('k', '1')
    expect(await client.get('k')).toBe('1')
    const read = async (): Promise<string> =>
      /total_commands_processed:(\d+)/.exec(await other.info('stats'))?.[1] as string
    const before = Number(await read())
    expect(await client.get('k')).toBe('1')
    // Only our own question came to the server.
    expect(Number(await read())).toBe(before + 1)
    await other.set('k', '2')
    await other.ping()
    await client.ping()
    expect(await client.get('k')).toBe('2')
  })
})
