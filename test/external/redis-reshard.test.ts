// Slots move by redis-cli --cluster, between nodes of ours and real ones, while client libraries read and write all the time.
import { Cluster } from 'ioredis'
import { createCluster } from 'redis'
import { afterEach, describe, expect, it } from 'vitest'
import { slotOf } from '../../ts/cache/cluster/slots.ts'
import { clusterCli, isUp, nameOf, ourNodes, redisCli, startRealNode, until } from './redis/cluster.ts'

const closing: (() => unknown)[] = []
/** Keys of one slot are moved by 10 at a time: this makes several rounds of some slots. */
const KEYS = 300
/** A tag of which all keys lie in one slot. */
const TAG = '{t}'

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** What a client of a cluster can be asked. */
interface Asked {
  readonly name: string
  set(key: string, value: string): Promise<unknown>
  get(key: string): Promise<string | null>
  incr(key: string): Promise<number>
  mget(keys: string[]): Promise<(string | null)[]>
}

function ioredis(ports: readonly number[]): Asked {
  const nodes = ports.map((port) => ({ host: '127.0.0.1', port }))
  const client = new Cluster(nodes, {
    clusterRetryStrategy: () => 20,
    slotsRefreshTimeout: 10_000,
    maxRedirections: 1000,
    retryDelayOnTryAgain: 5,
    retryDelayOnClusterDown: 20,
    retryDelayOnMoved: 1,
  })
  client.on('error', () => {})
  closing.push(() => client.disconnect())
  return {
    name: 'ioredis',
    set: (key, value) => client.set(key, value),
    get: (key) => client.get(key),
    incr: (key) => client.incr(key),
    mget: (keys) => client.mget(keys),
  }
}

async function nodeRedis(ports: readonly number[]): Promise<Asked> {
  const client = createCluster({
    rootNodes: ports.map((port) => ({ url: `redis://127.0.0.1:${port}` })),
    maxCommandRedirections: 1000,
  })
  client.on('error', () => {})
  await client.connect()
  closing.push(() => client.destroy())
  return {
    name: 'redis',
    set: (key, value) => client.set(key, value),
    get: (key) => client.get(key),
    incr: (key) => client.incr(key),
    // It leaves TRYAGAIN to who asks.
    mget: async (keys) => {
      for (;;) {
        try {
          return await client.mGet(keys)
        } catch (error) {
          if (!(error as Error).message.startsWith('TRYAGAIN')) throw error
        }
      }
    },
  }
}

/** Clients that work until they are stopped, each key in the hands of one of them. */
class Load {
  operations = 0
  readonly #clients: readonly Asked[]
  /** What each key must have. */
  readonly #expected = new Map<string, string>()
  readonly #counts = new Map<string, number>()
  readonly #work: Promise<void>[]
  #isStopped = false

  constructor(clients: readonly Asked[]) {
    this.#clients = clients
    this.#work = clients.flatMap((client, index) => [
      this.#write(client, index),
      this.#write(client, index + clients.length),
      this.#count(client, index),
      this.#pair(client, index),
    ])
    // A failure is told by `stop`.
    for (const work of this.#work) work.catch(() => {})
  }

  /** Ends it, and looks at every key once more. @throws Error if a write was lost, or a read wrong */
  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#work)
    for (const client of this.#clients) {
      for (const [key, value] of this.#expected)
        expect([client.name, key, await client.get(key)]).toEqual([client.name, key, value])
      for (const [key, count] of this.#counts) expect([key, await client.get(key)]).toEqual([key, String(count)])
    }
  }

  async #write(client: Asked, writer: number): Promise<void> {
    for (let i = 0; !this.#isStopped; i++) {
      // Some in the slot of the tag, which is moved to and fro; the others everywhere.
      const key = `${i % 3 === 0 ? TAG : ''}w${writer}:${i % 40}`
      expect([key, await client.get(key)]).toEqual([key, this.#expected.get(key) ?? null])
      const value = `${i}`
      await client.set(key, value)
      this.#expected.set(key, value)
      this.operations += 2
    }
  }

  async #count(client: Asked, index: number): Promise<void> {
    for (let i = 0; !this.#isStopped; i++) {
      const key = `${TAG}c${index}:${i % 7}`
      const count = (this.#counts.get(key) ?? 0) + 1
      expect([key, await client.incr(key)]).toEqual([key, count])
      this.#counts.set(key, count)
      this.operations++
    }
  }

  async #pair(client: Asked, index: number): Promise<void> {
    const keys = [`${TAG}p${index}:a`, `${TAG}p${index}:b`] as const
    for (let i = 0; !this.#isStopped; i++) {
      for (const key of keys) await client.set(key, `${i}`)
      expect(await client.mget([...keys])).toEqual([`${i}`, `${i}`])
      for (const key of keys) this.#expected.set(key, `${i}`)
      this.operations += 3
    }
  }
}

async function create(ports: readonly number[]): Promise<void> {
  await clusterCli('create', ...ports.map((port) => `127.0.0.1:${port}`))
  await until(async () => (await Promise.all(ports.map(isUp))).every(Boolean))
}

async function fill(ask: Asked): Promise<void> {
  await Promise.all(
    Array.from({ length: KEYS }, (_, index) => ask.set(`${index % 4 === 0 ? TAG : ''}f${index}`, `of ${index}`)),
  )
}

async function isFull(ask: Asked): Promise<void> {
  const found = await Promise.all(
    Array.from({ length: KEYS }, (_, index) => ask.get(`${index % 4 === 0 ? TAG : ''}f${index}`)),
  )
  expect(found).toEqual(Array.from({ length: KEYS }, (_, index) => `of ${index}`))
}

/** Moves the slot of the tag by hand, as the Redis cluster specification says, all nodes of whatever kind. */
async function moveTag(from: number, to: number, others: readonly number[]): Promise<void> {
  const slot = slotOf(TAG)
  const [source, target] = [await nameOf(from), await nameOf(to)]
  await redisCli('-p', to, 'cluster', 'setslot', slot, 'importing', source)
  await redisCli('-p', from, 'cluster', 'setslot', slot, 'migrating', target)
  for (;;) {
    const keys = (await redisCli('-p', from, 'cluster', 'getkeysinslot', slot, 20)).trim().split('\n').filter(Boolean)
    if (keys.length === 0) break
    expect(await redisCli('-p', from, 'migrate', '127.0.0.1', to, '', 0, 5000, 'keys', ...keys)).toMatch(
      /^(?:OK|NOKEY)\n$/,
    )
  }
  for (const port of [to, from, ...others]) await redisCli('-p', port, 'cluster', 'setslot', slot, 'node', target)
}

/** Who owns the slot of the tag, of these ports. */
async function ownerOfTag(ports: readonly number[]): Promise<number> {
  for (const port of ports) {
    const said = await redisCli('-p', port, 'get', TAG)
    const [, moved] = /MOVED \d+ [^:]*:(\d+)/.exec(said) ?? []
    return moved === undefined ? port : Number(moved)
  }
  throw new Error('there is no node')
}

describe.each([
  ['three nodes of ours', 3, 0],
  ['two of ours and a redis-server', 2, 1],
])('%s', (_, ours, real) => {
  it('reshard, rebalance, take in and let go nodes under load: nothing is lost, nothing is read wrong', async () => {
    const { beds } = await ourNodes(ours + 1, closing)
    const ports = beds.slice(0, ours).map(({ port }) => port)
    for (let i = 0; i < real; i++) ports.push((await startRealNode(closing)).port)
    const spare = beds[ours]?.port as number
    await create(ports)
    const clients = [ioredis(ports), await nodeRedis(ports)]
    await fill(clients[0] as Asked)
    const load = new Load(clients)
    const any = `127.0.0.1:${ports[0]}`

    // Round and round, through every kind of node.
    for (let round = 0; round < ports.length; round++) {
      const from = await ownerOfTag(ports)
      const to = ports[(ports.indexOf(from) + 1) % ports.length] as number
      await moveTag(
        from,
        to,
        ports.filter((port) => port !== from && port !== to),
      )
    }
    const names = await Promise.all(ports.map(nameOf))
    for (const [index, name] of names.entries()) {
      const to = names[(index + 1) % names.length] as string
      await clusterCli('reshard', any, '--cluster-from', name, '--cluster-to', to, '--cluster-slots', 10)
    }
    const added = await clusterCli('add-node', `127.0.0.1:${spare}`, any)
    expect(added).toContain('[OK] New node added correctly.')
    await until(async () => (await Promise.all([...ports, spare].map(isUp))).every(Boolean))
    const rebalance = ['rebalance', any, '--cluster-use-empty-masters', '--cluster-threshold', 1]
    // Few slots for a short test: most weight stays where it is.
    const weights = [...names.map((name) => `${name}=400`), `${await nameOf(spare)}=1`]
    await clusterCli(...rebalance, '--cluster-weight', ...weights)
    expect(await clusterCli('check', any)).toContain('[OK] All 16384 slots covered.')
    await clusterCli('rebalance', any, '--cluster-threshold', 1, '--cluster-weight', `${await nameOf(spare)}=0`)
    await clusterCli('del-node', any, await nameOf(spare))
    await until(async () =>
      (await clusterCli('check', any)).includes('[OK] All nodes agree about slots configuration.'),
    )

    await load.stop()
    await isFull(clients[0] as Asked)
    expect(load.operations).toBeGreaterThan(1000)
  })
})

describe('redis-cli --cluster', () => {
  it('fixes a slot whose move was broken off, with keys on both sides', async () => {
    const { beds } = await ourNodes(3, closing)
    const ports = beds.map(({ port }) => port)
    await create(ports)
    const client = ioredis(ports)
    await fill(client)
    const slot = slotOf(TAG)
    const from = await ownerOfTag(ports)
    const to = ports.find((port) => port !== from) as number
    const [source, target] = [await nameOf(from), await nameOf(to)]
    await redisCli('-p', to, 'cluster', 'setslot', slot, 'importing', source)
    await redisCli('-p', from, 'cluster', 'setslot', slot, 'migrating', target)
    const keys = (await redisCli('-p', from, 'cluster', 'getkeysinslot', slot, 20)).trim().split('\n')
    await redisCli('-p', from, 'migrate', '127.0.0.1', to, '', 0, 5000, 'keys', ...keys)
    await isFull(client)
    await expect(clusterCli('check', `127.0.0.1:${ports[0]}`)).rejects.toThrow('[WARNING]')
    await clusterCli('fix', `127.0.0.1:${ports[0]}`)
    expect(await clusterCli('check', `127.0.0.1:${ports[0]}`)).toContain('[OK] All 16384 slots covered.')
    expect((await redisCli('-p', from, 'cluster', 'nodes')).includes('->-')).toBe(false)
    await isFull(client)
  })

  it('imports the keys of a server that is in no cluster', async () => {
    const { beds } = await ourNodes(3, closing)
    const ports = beds.map(({ port }) => port)
    await create(ports)
    const real = await startRealNode(closing, { 'cluster-enabled': 'no' })
    await redisCli('-p', real.port, 'mset', ...Array.from({ length: 200 }, (_, i) => [`a${i}`, `of a${i}`]).flat())
    await redisCli('-p', real.port, 'rpush', 'list', 'x', 'y')
    await clusterCli('import', `127.0.0.1:${ports[0]}`, '--cluster-from', `127.0.0.1:${real.port}`)
    const client = ioredis(ports)
    for (let i = 0; i < 200; i++) expect(await client.get(`a${i}`)).toBe(`of a${i}`)
    expect(await redisCli('-c', '-p', ports[0] as number, 'lrange', 'list', 0, -1)).toBe('x\ny\n')
    expect(await redisCli('-p', real.port, 'dbsize')).toBe('0\n')
  })
})
