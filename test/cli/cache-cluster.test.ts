// A cluster in threads: what it does when nodes end, and start again.
import { afterEach, describe, expect, it } from 'vitest'
import { ThreadCluster } from '../../ts/cli/cache-server/thread-cluster.ts'
import { realClock } from '../../ts/io/clock.ts'

const running: ThreadCluster[] = []

afterEach(async () => {
  for (const cluster of running.splice(0)) await cluster.stop()
})

async function start(masterCount: number, replicaCount: number): Promise<ThreadCluster> {
  const cluster = new ThreadCluster({
    clock: realClock,
    masterCount,
    replicaCount,
    dataOf: (index) => ({
      ...{ name: `node${index + 1}`, host: '127.0.0.1', port: 0, tls: undefined, password: '', replication: {} },
      ...{
        maxClients: 100,
        databases: 16,
        logLevel: 'error',
        memory: { maxBytes: 0, policy: 'noeviction', samples: 5 },
      },
      cluster: { bus: { host: '127.0.0.1', port: 0 }, gossip: { nodeTimeoutMs: 2000 } },
    }),
  })
  running.push(cluster)
  await cluster.start()
  return cluster
}

async function ask(cluster: ThreadCluster, node: number, ...args: string[]): Promise<string> {
  const [reply] = await cluster.execute(node, [args])
  return Buffer.from(reply ?? []).toString('latin1')
}

/** Resolves as soon as a node says so; the test's own time-out is the limit. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 10))
}

async function nameOf(cluster: ThreadCluster, node: number): Promise<string> {
  return (await ask(cluster, node, 'CLUSTER', 'MYID')).split('\r\n')[1] as string
}

describe('a node that was killed and is started again', () => {
  it('serves the slots that it had, those that it had got since as well, if nobody else has their keys', async () => {
    const cluster = await start(2, 0)
    const [first, second] = [await nameOf(cluster, 0), await nameOf(cluster, 1)]
    await cluster.order(1, { kind: 'setSlot', slot: 0, to: 'importing', node: first })
    for (const node of [1, 0]) await cluster.order(node, { kind: 'setSlot', slot: 0, to: 'node', node: second })
    await cluster.kill(1)
    await cluster.restart(1)
    const again = await nameOf(cluster, 1)
    expect(again).not.toBe(second)
    for (const node of [0, 1]) {
      await until(async () => (await ask(cluster, node, 'CLUSTER', 'INFO')).includes('cluster_slots_ok:16384'))
      await until(async () => {
        const line = new RegExp(`^${again} .* (0 8192-16383)\r?$`, 'm').exec(
          await ask(cluster, node, 'CLUSTER', 'NODES'),
        )
        return line !== null
      })
    }
  })

  it('is the replica of its own one, which takes its place first: no key is lost', async () => {
    const cluster = await start(2, 1)
    expect(await ask(cluster, 0, 'SET', '{06S}k', 'kept')).toBe('+OK\r\n') // slot 0
    await until(async () => (await ask(cluster, 2, 'DBSIZE')) === ':1\r\n')
    await cluster.pause(2)
    await cluster.kill(0)
    await expect(cluster.restart(0)).rejects.toThrow('the only replica with the keys of this node is paused')
    cluster.resume(2)
    await cluster.restart(0)
    await until(async () => (await ask(cluster, 2, 'ROLE')).includes('master'))
    await until(async () => (await ask(cluster, 0, 'DBSIZE')) === ':1\r\n')
    expect(await ask(cluster, 2, 'GET', '{06S}k')).toBe('$4\r\nkept\r\n')
    await until(async () => (await ask(cluster, 1, 'CLUSTER', 'INFO')).includes('cluster_slots_ok:16384'))
  })
})
