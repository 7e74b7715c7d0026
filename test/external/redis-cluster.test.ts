// Tools and servers of Redis in one cluster with ours: redis-cli makes and checks it, and redis-server 7.0 is a node of it.
import { afterEach, describe, expect, it } from 'vitest'
import { NodeFlag } from '../../ts/cache/cluster/types.ts'
import { isUp, ourNodes, redisCli, startRealNode, until } from './redis/cluster.ts'

const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

describe('redis-cli', () => {
  it('makes a cluster of our nodes, checks it, and works on it', async () => {
    const { beds } = await ourNodes(3, closing)
    const [first] = beds
    const addresses = beds.map(({ port }) => `127.0.0.1:${port}`)
    const said = await redisCli('--cluster', 'create', ...addresses, '--cluster-yes')
    expect(said).toContain('[OK] All 16384 slots covered.')
    await until(async () => beds.every(({ member }) => member.topology.isUp))
    expect(await redisCli('-c', '-p', first?.port ?? 0, 'set', 'foo', 'bar')).toBe('OK\n')
    expect(await redisCli('-c', '-p', first?.port ?? 0, 'get', 'foo')).toBe('bar\n')
    const checked = await redisCli('--cluster', 'check', addresses[1] as string)
    expect(checked).toContain('[OK] All nodes agree about slots configuration.')
    expect(await redisCli('--cluster', 'info', addresses[2] as string)).toContain('[OK] 1 keys in 3 masters.')
  })
})

describe('a redis-server', () => {
  it('is a node beside ours: they agree, tell each other of messages, and of failures', async () => {
    const { beds } = await ourNodes(2, closing)
    const real = await startRealNode(closing)
    const ports = [...beds.map(({ port }) => port), real.port]
    const addresses = ports.map((port) => `127.0.0.1:${port}`)
    await redisCli('--cluster', 'create', ...addresses, '--cluster-yes')
    await until(async () => (await isUp(real.port)) && beds.every(({ member }) => member.topology.isUp))
    for (const key of ['a', 'b', 'c']) {
      expect(await redisCli('-c', '-p', real.port, 'set', key, `of ${key}`)).toBe('OK\n')
      expect(await redisCli('-c', '-p', ports[0] as number, 'get', key)).toBe(`of ${key}\n`)
    }
    const listener = beds[0]?.raw(real.port)
    listener?.send('SUBSCRIBE c\r\n')
    await listener?.expect('*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n')
    const speaker = beds[0]?.raw()
    speaker?.send('PUBLISH c m\r\n')
    await listener?.expect('*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n')
    speaker?.send('SUBSCRIBE d\r\n')
    await speaker?.expect(':0\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nd\r\n:1\r\n')
    await redisCli('-p', real.port, 'publish', 'd', 'n')
    await speaker?.expect('*3\r\n$7\r\nmessage\r\n$1\r\nd\r\n$1\r\nn\r\n')

    // Two of three masters see that the third is gone.
    const name = (await redisCli('-p', real.port, 'cluster', 'myid')).trim()
    real.child.kill('SIGKILL')
    await until(async () =>
      beds.every(({ member }) => ((member.topology.nodes.get(name)?.flags ?? 0) & NodeFlag.failed) !== 0),
    )
    expect(await isUp(ports[0] as number)).toBe(false)
  })

  it('says with us that one of ours has failed', async () => {
    const { beds } = await ourNodes(2, closing)
    const real = await startRealNode(closing)
    await redisCli(
      '--cluster',
      'create',
      ...[...beds.map(({ port }) => port), real.port].map((port) => `127.0.0.1:${port}`),
      '--cluster-yes',
    )
    await until(async () => (await isUp(real.port)) && beds.every(({ member }) => member.topology.isUp))
    const name = beds[1]?.member.topology.myself.name as string
    await beds[1]?.stop()
    await until(async () =>
      (await redisCli('-p', real.port, 'cluster', 'nodes'))
        .split('\n')
        .some((line) => line.startsWith(name) && / master,fail /.test(line)),
    )
  })
})
