import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectPartitioned, type PartitionedClient } from '../../../../ts/distributed/ring/store/client.ts'
import { REAL_SEAMS } from '../../../../ts/distributed/ring/store/open.ts'
import { PartitionedServer } from '../../../../ts/distributed/ring/store/server/server.ts'
import { realClock } from '../../../../ts/io/clock.ts'
import { showAddress } from '../../../../ts/io/network.ts'
import { createLogger } from '../../../../ts/service/index.ts'
import { freePorts } from '../../../support/ports.ts'
import { directoryInMemory } from '../../../support/temporary-directory.ts'

const HOST = '127.0.0.1'
const NAMES = ['node1', 'node2', 'node3', 'node4']
const home = directoryInMemory()
const servers = new Map<string, PartitionedServer>()
const urls: string[] = []
let client: PartitionedClient

const logger = createLogger({ name: 'test', level: 'error', now: () => 0, write: () => {} })

async function startNode(name: string, ports: readonly number[]): Promise<void> {
  const nodes = Object.fromEntries(NAMES.map((each, index) => [each, { host: HOST, port: ports[index] as number }]))
  const server = new PartitionedServer({
    ...{ seams: REAL_SEAMS, logger, path: `${home.path}/${name}`, maxClients: 100 },
    node: { name, nodes, create: true, secret: 's3cret', tickMs: 20, memoryBytes: 4 << 20 },
  })
  servers.set(name, server)
  urls.push(`http://${showAddress(await server.start())}`)
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await realClock.turn()
}

async function ask(
  path: string,
  method = 'GET',
  body?: string,
): Promise<{ status: number; json: Record<string, unknown> }> {
  const headers = { authorization: 'Bearer s3cret', connection: 'close' }
  const response = await fetch(urls[0] + path, { method, headers, ...(body === undefined ? {} : { body }) })
  return { status: response.status, json: (await response.json()) as Record<string, unknown> }
}

beforeAll(async () => {
  const ports = await freePorts(NAMES.length)
  for (const name of NAMES) await startNode(name, ports)
  client = await connectPartitioned({ urls, secret: 's3cret' })
  await until(async () => {
    const statuses = [...(await client.statuses()).values()]
    return statuses.every((status) => (status?.['connected'] as unknown[] | undefined)?.length === NAMES.length - 1)
  })
})

afterAll(async () => {
  client.close()
  for (const server of servers.values()) await server.stop()
  home.remove()
})

describe('a node over HTTP', () => {
  it('writes, reads and deletes a key', async () => {
    const put = await ask('/kv/user%3A1', 'PUT', 'Alice')
    expect(put).toMatchObject({
      status: 200,
      json: { key: 'user:1', epoch: 1, hash: expect.stringMatching(/^0x[\da-f]{4}$/) },
    })
    const { ring } = client.cluster
    expect(put.json['replicas']).toEqual(ring.preferenceList('user:1', 3))
    expect(put.json['node']).toBe(ring.nodeOf('user:1'))
    expect(await ask('/kv/user:1?r=3')).toMatchObject({ status: 200, json: { values: ['Alice'] } })
    const context = encodeURIComponent(String(put.json['context']))
    expect((await ask(`/kv/user:1?w=3&context=${context}`, 'DELETE')).status).toBe(200)
    expect(await ask('/kv/user:1?r=3')).toMatchObject({ status: 404, json: { values: [] } })
  })

  it('shows siblings as a list, and the last of them to who asks for it', async () => {
    await ask('/kv/s?w=3', 'PUT', 'one')
    await ask('/kv/s?w=3', 'PUT', 'two')
    const { json } = await ask('/kv/s?r=3')
    expect([...(json['values'] as string[])].sort()).toEqual(['one', 'two'])
    expect((await ask('/kv/s?r=3&lww=true')).json['values']).toHaveLength(1)
    await ask(`/kv/s?w=3&context=${encodeURIComponent(String(json['context']))}`, 'PUT', 'both')
    expect((await ask('/kv/s?r=3')).json['values']).toEqual(['both'])
  })

  it('tells its ring, its status and its figures', async () => {
    const { json } = await ask('/ring')
    expect(json).toMatchObject({ clusterId: 'default', epoch: 1, replicas: 3, reads: 2, writes: 2 })
    expect(Object.keys(json['nodes'] as object)).toEqual(NAMES)
    expect((await ask('/status')).json).toMatchObject({ name: 'node1', life: 1, replicas: 3, hints: 0 })
    expect((await ask('/health')).json).toEqual({ status: 'ok' })
    const metrics = await (await fetch(`${urls[0]}/metrics`)).text()
    expect(metrics).toContain('bedplate_partitioned_peers_connected 3\n')
  })

  it('refuses what cannot be, and whoever does not know the secret', async () => {
    expect(await ask('/kv/k?w=4', 'PUT', 'v')).toMatchObject({
      status: 400,
      json: { error: { code: 'INVALID_INPUT' } },
    })
    expect(await ask('/kv/k?r=x')).toMatchObject({ status: 400 })
    expect(await ask('/kv/%ff')).toMatchObject({ status: 400 })
    expect(await ask('/kv/')).toMatchObject({ status: 400 })
    expect(await ask('/kv/k', 'PATCH')).toMatchObject({ status: 405 })
    expect(await ask('/nothing')).toMatchObject({ status: 404, json: { error: { code: 'NOT_FOUND' } } })
    expect((await fetch(`${urls[0]}/kv/k`)).status).toBe(401)
    const foreign = { authorization: 'Bearer s3cret', origin: 'http://evil.example' }
    expect((await fetch(`${urls[0]}/kv/k`, { method: 'PUT', body: 'v', headers: foreign })).status).toBe(400)
    await expect(connectPartitioned({ urls })).rejects.toThrow('this cluster has a secret')
    await expect(connectPartitioned({ urls: ['7100'] })).rejects.toThrow('"7100" is no address of a node')
    expect(
      () =>
        new PartitionedServer({
          seams: REAL_SEAMS,
          logger,
          path: 'x',
          maxClients: 1,
          node: { name: 'a', nodes: { a: { host: '0.0.0.0', port: 1 } } },
        }),
    ).toThrow('refusing to listen on 0.0.0.0 without a secret or certificates')
  })
})

describe('a client that knows the ring', () => {
  it('asks a node that holds the key, keeps bytes as they are, and goes on when one is gone', async () => {
    const value = Uint8Array.of(0, 255, 128)
    const keys = Array.from({ length: 20 }, (_, i) => `key ${i}/ü?`)
    for (const key of keys) {
      const { node, replicas } = await client.put(key, value)
      expect(replicas[0]).toBe(node)
    }
    for (const key of keys) expect((await client.get(key)).values.map((each) => [...each])).toEqual([[...value]])
    await servers.get('node1')!.stop()
    servers.delete('node1')
    for (const key of keys) expect((await client.get(key)).values.map((each) => [...each])).toEqual([[...value]])
    for (const key of keys) await client.put(key, Buffer.from('new'), { context: (await client.get(key)).context })
    for (const key of keys)
      expect((await client.get(key)).values.map((each) => Buffer.from(each).toString())).toEqual(['new'])
    expect((await client.statuses()).get('node1')).toBeUndefined()
  })
})
