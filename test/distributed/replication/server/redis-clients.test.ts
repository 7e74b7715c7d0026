// Client libraries of Redis as they are on npm, against a node of a replicated store.
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Servers } from '../../../support/replicated-kv/servers.ts'
import { temporaryDirectory } from '../../../support/temporary-directory.ts'

const SECRET = 'sesame-sesame-sesame'
const HOST = '127.0.0.1'

let home: ReturnType<typeof temporaryDirectory>
let nodes: Servers

beforeAll(async () => {
  home = temporaryDirectory()
  nodes = new Servers(home.path, { secret: SECRET })
  await nodes.startAll(2)
})

afterAll(async () => {
  await nodes?.close()
  home?.remove()
})

function connectIoredis(node: number, options: Record<string, unknown> = {}): Redis {
  return new Redis({ host: HOST, port: nodes.address(node).port, password: SECRET, ...options })
}

describe('ioredis', () => {
  it('finds the node ready, writes to one and reads from the other, bytes among them', async () => {
    const [one, other] = [connectIoredis(1), connectIoredis(2)]
    try {
      expect(await one.set('k', 'grün')).toBe('OK')
      expect(await other.get('k')).toBe('grün')
      expect(await other.get('none')).toBeNull()
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
      await other.set('bytes', bytes)
      expect(await one.getBuffer('bytes')).toEqual(bytes)
      expect(await one.mset({ a: '1', b: '2' })).toBe('OK')
      expect(await other.mget('a', 'none', 'b')).toEqual(['1', null, '2'])
      expect(await other.del('a', 'none')).toBe(1)
      expect(await one.exists('a', 'b')).toBe(1)
      await expect(one.lpush('k', 'x')).rejects.toThrow(/unknown command 'lpush'/i)
    } finally {
      one.disconnect()
      other.disconnect()
    }
  })

  it('gets the replies of long pipelines in order', async () => {
    const client = connectIoredis(2, { enableAutoPipelining: true })
    try {
      const pipeline = client.pipeline()
      for (let i = 0; i < 3000; i++) pipeline.set(`p:${i}`, String(i))
      for (let i = 0; i < 3000; i++) pipeline.get(`p:${i}`)
      pipeline.set('p:0', 'new').get('p:0').del('p:0').get('p:0')
      const replies = (await pipeline.exec()) ?? []
      const read = Array.from({ length: 3000 }, (_, i) => String(i))
      expect(replies.map(([, value]) => value)).toEqual([...read.map(() => 'OK'), ...read, 'OK', 'new', 1, null])
      const values = await Promise.all(read.slice(1, 200).map((i) => client.get(`p:${i}`)))
      expect(values).toEqual(read.slice(1, 200))
    } finally {
      client.disconnect()
    }
  })

  it('is told that it has the wrong password', async () => {
    const client = connectIoredis(1, { password: 'wrong', retryStrategy: () => null, enableReadyCheck: false })
    client.on('error', () => {})
    await expect(client.get('k')).rejects.toThrow()
    client.disconnect()
  })
})

describe('redis', () => {
  it.each([2, 3] as const)('speaks RESP%i, says how fresh reads are to be, and goes on where it was', async (RESP) => {
    const socket = { host: HOST, port: nodes.address(2).port }
    const client = createClient({ RESP, password: SECRET, socket, name: 'reader' })
    client.on('error', () => {})
    await client.connect()
    try {
      expect(await client.ping()).toBe('PONG')
      expect(await client.clientGetName()).toBe('reader')
      expect(await client.set(`r:${RESP}`, 'a')).toBe('OK')
      expect(await client.sendCommand(['BEDPLATE', 'READS', 'SESSION'])).toBe('OK')
      expect(await client.get(`r:${RESP}`)).toBe('a')
      const token = await client.sendCommand(['BEDPLATE', 'SESSION'])
      expect(token).toEqual(expect.any(String))
      expect(await client.sendCommand(['BEDPLATE', 'READS', 'SESSION', String(token)])).toBe('OK')
      expect(await client.mGet([`r:${RESP}`, 'none'])).toEqual(['a', null])
      expect(await client.del(`r:${RESP}`)).toBe(1)
      expect(await client.info('replication')).toMatch(/role:(master|slave)/)
    } finally {
      client.destroy()
    }
  })
})
