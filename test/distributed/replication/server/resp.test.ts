import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { BedplateError } from '../../../../ts/base/errors.ts'
import { encodeSession } from '../../../../ts/distributed/replication/index.ts'
import { realClock } from '../../../../ts/io/clock.ts'
import type { Disk } from '../../../../ts/io/disk.ts'
import { seededRandom } from '../../../../ts/io/random.ts'
import { realDisk } from '../../../../ts/io/real-disk.ts'
import { until } from '../../../support/replicated-kv/processes.ts'
import { encode, type Plain, RespConnection } from '../../../support/replicated-kv/resp-connection.ts'
import { Servers } from '../../../support/replicated-kv/servers.ts'
import { directoryInMemory } from '../../../support/temporary-directory.ts'

const home = directoryInMemory()

afterAll(() => home.remove())

describe("clients that speak Redis's protocol", () => {
  let nodes: Servers
  let one: RespConnection
  let two: RespConnection

  beforeAll(async () => {
    nodes = new Servers(`${home.path}/two`, { requestMs: 3000 })
    await nodes.startAll(2)
    one = await RespConnection.open(nodes.address(1).port)
    two = await RespConnection.open(nodes.address(2).port)
  })

  afterAll(async () => {
    one.close()
    two.close()
    await nodes.close()
  })

  it('write and read on any node, and see what was written over HTTP', async () => {
    expect(await one.ask('SET', 'a', 'one')).toBe('OK')
    expect(await two.ask('GET', 'a')).toBe('one')
    expect(await two.ask('set', 'b', 'two')).toBe('OK')
    expect(await one.ask('get', 'b')).toBe('two')
    expect((await nodes.ask(1, '/get?key=b')).text).toBe('two\n')
    await nodes.ask(2, '/set?key=c&value=three')
    expect(await one.ask('MGET', 'a', 'b', 'c', 'none')).toEqual(['one', 'two', 'three', null])
    expect(await one.ask('GET', 'none')).toBe(null)
    expect(await one.ask('EXISTS', 'a', 'none', 'a')).toBe(2)
    expect(await one.ask('STRLEN', 'c')).toBe(5)
  })

  it('may store any bytes, none included', async () => {
    const value = Uint8Array.from({ length: 256 }, (_, i) => i)
    expect(await one.ask('SET', value, value)).toBe('OK')
    expect(await one.ask('SET', 'empty', '')).toBe('OK')
    expect(await one.ask('GET', 'empty')).toBe('')
    const stored = await nodes.get(2).replica.get(value)
    expect(Buffer.from(stored.value ?? []).equals(value)).toBe(true)
  })

  it('are told how many keys a DEL has removed, whatever else is under way', async () => {
    const replies = await one.askAll([
      ['SET', 'd1', '1'],
      ['DEL', 'd1', 'd1', 'none'],
      ['DEL', 'd1'],
      ['MSET', 'd1', '2', 'd2', '2'],
      ['UNLINK', 'd2', 'd1'],
      ['SET', 'd3', '3'],
    ])
    expect(replies).toEqual(['OK', 1, 0, 'OK', 2, 'OK'])
    expect(await two.ask('DEL', 'd1', 'd3')).toBe(1)
  })

  it('are answered in the order in which they asked, though reads and writes go different ways', async () => {
    const random = seededRandom(11)
    const below = (count: number): number => Math.floor(random.next() * count)
    const model = new Map<string, string>()
    const commands: string[][] = []
    const expected: Plain[] = []
    for (let i = 0; i < 400; i++) {
      const key = `m:${below(20)}`
      const dice = below(100)
      if (dice < 60) {
        commands.push(['SET', key, `v${i}`])
        model.set(key, `v${i}`)
        expected.push('OK')
      } else if (dice < 90) {
        commands.push(['GET', key])
        expected.push(model.get(key) ?? null)
      } else if (dice < 95) {
        commands.push(['DEL', key])
        expected.push(Number(model.delete(key)))
      } else {
        commands.push(['PING', key])
        expected.push(key)
      }
    }
    expect(await two.askAll(commands)).toEqual(expected)
  })

  it('may cut their commands anywhere', async () => {
    const bytes = Buffer.concat([
      encode(['SET', 'cut', 'x'.repeat(40)]),
      encode(['SET', 'cut', 'y']),
      encode(['GET', 'cut']),
    ])
    const replies = Promise.all([one.next(), one.next(), one.next()])
    for (const byte of bytes) await one.send(Uint8Array.of(byte))
    expect(await replies).toEqual(['OK', 'OK', 'y'])
  })

  it.each([
    [['SET', 'a', '1', 'EX', '5'], /^ERR SET takes a key and a value here: there is neither expiry nor a condition/],
    [['SET', 'a'], /^ERR wrong number of arguments for 'set' command/],
    [['MSET', 'a', '1', 'b'], /^ERR wrong number of arguments for 'mset' command/],
    [['GET'], /^ERR wrong number of arguments for 'get' command/],
    [['SET', '', '1'], /^ERR a key has 1 to 1024 bytes, and this one 0/],
    [['SET', 'k'.repeat(1025), '1'], /^ERR a key has 1 to 1024 bytes, and this one 1025/],
    [['SET', 'a', 'v'.repeat(1024 * 1024 + 1)], /^ERR a value has at most 1048576 bytes, and this one 1048577/],
    [['GET', 'k'.repeat(1025)], /^ERR a key has 1 to 1024 bytes/],
    [['INCR', 'a'], /^ERR unknown command 'INCR'/],
    [['SELECT', '1'], /^ERR DB index is out of range/],
    [['AUTH', 'secret'], /^ERR AUTH <password> called without any password/],
    [['HELLO', '4'], /^NOPROTO unsupported protocol version/],
    [['CLIENT', 'KILL', 'all'], /^ERR unknown subcommand 'KILL'/],
    [['CONFIG', 'SET', 'a', 'b'], /^ERR settings are those of the command line/],
    [['BEDPLATE', 'READS', 'EVENTUAL'], /^ERR BEDPLATE READS takes DEFAULT, LINEARIZABLE, STALE/],
    [['BEDPLATE', 'READS', 'SESSION', 'x'], /^ERR this is no session token/],
    [['BEDPLATE', 'HELP'], /^ERR unknown subcommand 'HELP'/],
  ])('are refused what cannot be, and stay (%#)', async (args, message) => {
    const replies = await one.askAll([['SET', 'before', '1'], args, ['SET', 'behind', '1']])
    expect([replies[0], replies[2]]).toEqual(['OK', 'OK'])
    expect(replies[1]).toMatch(message)
  })

  it('are let go if they break the protocol, behind the answers to what came before', async () => {
    const broken = await RespConnection.open(nodes.address(1).port)
    const replies = Promise.all([broken.next(), broken.next(), broken.next()])
    await broken.send(Buffer.concat([encode(['SET', 'p', '1']), encode(['GET', 'p']), Buffer.from('*1\r\n:1\r\n')]))
    expect(await replies).toEqual(['OK', '1', "ERR Protocol error: expected '$', got ':'"])
    await broken.closed
  })

  it('who write at the same time share entries of the log', async () => {
    const clients = await Promise.all(Array.from({ length: 8 }, () => RespConnection.open(nodes.address(1).port)))
    const before = nodes.get(1).replica.status.lastIndex
    const replies = await Promise.all(
      clients.map((client, i) => client.askAll(Array.from({ length: 250 }, (_, j) => ['SET', `s:${i}:${j}`, `${j}`]))),
    )
    for (const each of replies) expect(new Set(each)).toEqual(new Set(['OK']))
    expect(nodes.get(1).replica.status.lastIndex - before).toBeLessThan(200)
    expect(await two.ask('MGET', 's:0:0', 's:7:249')).toEqual(['0', '249'])
    for (const client of clients) client.close()
  })

  it('may say how fresh their reads have to be', async () => {
    expect(await two.ask('BEDPLATE', 'READS')).toBe('default')
    expect(await two.ask('READONLY')).toBe('OK')
    expect(await two.ask('BEDPLATE', 'READS')).toBe('stale')
    expect(await two.ask('BEDPLATE', 'READS', 'STALENESS', '0')).toBe('OK')
    await one.ask('SET', 'fresh', '1')
    expect(await two.ask('GET', 'fresh')).toBe('1')
    for (let i = 0; i < 10; i++) {
      await one.ask('SET', 'mine', `${i}`)
      const token = (await one.ask('BEDPLATE', 'SESSION')) as string
      expect(await two.ask('BEDPLATE', 'READS', 'SESSION', token)).toBe('OK')
      expect(await two.ask('GET', 'mine')).toBe(`${i}`)
    }
    // What no log has come to yet is waited for.
    const never = encodeSession({ term: 1, index: 2 ** 40 })
    await two.ask('BEDPLATE', 'READS', 'SESSION', never)
    expect(await two.ask('GET', 'mine')).toMatch(/^CLUSTERDOWN this node has not come to entry \d+ in time/)
    expect(await two.ask('BEDPLATE', 'READS', 'LINEARIZABLE')).toBe('OK')
    expect(await two.ask('READWRITE')).toBe('OK')
    expect(await two.ask('BEDPLATE', 'READS')).toBe('default')
    expect(await two.ask('RESET')).toBe('RESET')
    expect(await two.ask('BEDPLATE', 'SESSION')).toBe(null)
  }, 20_000)

  it('may introduce themselves as their libraries do', async () => {
    const client = await RespConnection.open(nodes.address(1).port)
    expect(await client.ask('HELLO', '3', 'SETNAME', 'me')).toEqual(
      expect.arrayContaining(['proto', 3, 'role', 'master']),
    )
    expect(await client.ask('CLIENT', 'GETNAME')).toBe('me')
    expect(await client.ask('CLIENT', 'SETINFO', 'LIB-NAME', 'x')).toBe('OK')
    expect(await client.ask('CLIENT', 'ID')).toEqual(expect.any(Number))
    expect(await client.ask('COMMAND', 'DOCS')).toEqual([])
    expect(await client.ask('CONFIG', 'GET', 'save')).toEqual([])
    expect(await client.ask('SELECT', '0')).toBe('OK')
    expect(await client.ask('GET', 'none')).toBe(null)
    expect(await client.ask('QUIT')).toBe('OK')
    await client.closed
  })

  it('are told how the node is', async () => {
    const leader = nodes.get(1).replica.status.role === 'leader' ? one : two
    const other = leader === one ? two : one
    expect(await leader.ask('INFO', 'replication')).toMatch(
      /role:master\r\nbedplate_mode:semi-sync\r\n.*connected_slaves:1/s,
    )
    expect(await other.ask('INFO')).toMatch(
      /# Server\r\n.*# Clients\r\nconnected_clients:\d+\r\n.*role:slave\r\n.*db0:keys=/s,
    )
    for (const none of ['constructor', '__proto__']) {
      expect(await leader.ask('INFO', none)).toMatch(/# Server\r\n.*# Clients\r\n.*# Replication\r\n.*# Keyspace\r\n/s)
    }
    expect(await leader.ask('ROLE')).toEqual([
      'master',
      expect.any(Number),
      [[expect.any(String), expect.any(String), expect.any(String)]],
    ])
    expect(await other.ask('ROLE')).toEqual(['slave', '127.0.0.1', expect.any(Number), 'connected', expect.any(Number)])
    expect((await nodes.ask(1, '/metrics')).text).toMatch(/bedplate_replication_resp_commands_total [1-9]/)
  })
})

describe('clients of one node', () => {
  it('say the secret of the cluster as their password before anything else', async () => {
    const secret = 'sesame-sesame-sesame'
    const nodes = new Servers(`${home.path}/secret`, { secret })
    await nodes.startAll(1)
    const client = await RespConnection.open(nodes.address(1).port)
    const noAuth = 'NOAUTH Authentication required.'
    expect(await client.askAll([['SET', 'a', '1'], ['GET', 'a'], ['INFO']])).toEqual([noAuth, noAuth, noAuth])
    const wrong = 'WRONGPASS invalid username-password pair or user is disabled.'
    expect(
      await client.askAll([
        ['AUTH', 'open'],
        ['AUTH', 'root', secret],
        ['HELLO', '3'],
      ]),
    ).toEqual([
      wrong,
      wrong,
      expect.stringMatching(/^NOAUTH HELLO must be called with the client already authenticated/),
    ])
    expect(
      await client.askAll([
        ['AUTH', secret],
        ['SET', 'a', '1'],
        ['GET', 'a'],
      ]),
    ).toEqual(['OK', 'OK', '1'])
    client.close()
    const other = await RespConnection.open(nodes.address(1).port)
    expect(await other.ask('HELLO', '3', 'AUTH', 'default', secret, 'SETNAME', 'me')).toContain('proto')
    expect(
      await other.askAll([
        ['CLIENT', 'GETNAME'],
        ['GET', 'a'],
      ]),
    ).toEqual(['me', '1'])
    other.close()
    const greedy = await RespConnection.open(nodes.address(1).port)
    const answer = greedy.next()
    await greedy.send('*1\r\n$100000\r\n')
    expect(await answer).toBe('ERR Protocol error: unauthenticated bulk length')
    await greedy.closed
    await nodes.close()
  })

  it('are refused when they are too many, and let go when the node ends', async () => {
    const nodes = new Servers(`${home.path}/one`, { maxClients: 1 })
    await nodes.startAll(1)
    const first = await RespConnection.open(nodes.address(1).port)
    expect(await first.ask('PING')).toBe('PONG')
    const second = await RespConnection.open(nodes.address(1).port)
    expect(await second.ask('PING')).toBe('ERR max number of clients reached')
    await second.closed
    const { replica } = nodes.get(1)
    // Writes are under way until they are let go on, which is when the node has begun to end.
    const execute = replica.execute.bind(replica)
    let goOn = (): void => {}
    const isGoingOn = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const executed = vi
      .spyOn(replica, 'execute')
      .mockImplementation((command) => isGoingOn.then(() => execute(command)))
    const written = first.askAll(Array.from({ length: 500 }, (_, i) => ['SET', `k${i}`, 'v']))
    await until(() => executed.mock.calls.length > 0)
    const ended = nodes
      .get(1)
      .drain()
      .then(() => nodes.close())
    for (let i = 0; i < 10; i++) await realClock.turn() // one that does not wait for them has let go of them by now
    goOn()
    await ended
    expect(new Set(await written)).toEqual(new Set(['OK']))
    await first.closed
  })

  it('are told that nobody knows what became of a write that was under way when the node failed', async () => {
    const disk = diskThatFails()
    const nodes = new Servers(`${home.path}/unknown`, {}, disk)
    await nodes.startAll(1)
    const { replica } = nodes.get(1)
    const [written, executed] = [vi.spyOn(replica, 'write'), vi.spyOn(replica, 'execute')]
    const client = await RespConnection.open(nodes.address(1).port)
    disk.hold()
    const answers = Promise.all([nodes.ask(1, '/set?key=a&value=1&json'), client.ask('SET', 'b', '1')])
    await until(() => written.mock.calls.length > 0 && executed.mock.calls.length > 0)
    disk.fail()
    const [{ status, text }, reply] = await answers
    expect([status, JSON.parse(text).error]).toMatchObject([503, { code: 'UNAVAILABLE', outcome: 'unknown' }])
    expect(reply).toMatch(/^UNKNOWN node 1 ended before the answer/)
    await expect(written.mock.results[0]?.value).rejects.toMatchObject({ cause: { code: 'IO' } })
    // One that comes later is not begun.
    expect(await client.ask('SET', 'b', '2')).toMatch(/^MISCONF this node cannot go on/)
    client.close()
    await nodes.close().catch(() => {})
  })

  it('are given all of what is more than goes together', async () => {
    const nodes = new Servers(`${home.path}/slow`)
    await nodes.startAll(1)
    const client = await RespConnection.open(nodes.address(1).port)
    const value = 'v'.repeat(512 * 1024)
    await client.ask('SET', 'large', value)
    const replies = await client.askAll(Array.from({ length: 12 }, () => ['GET', 'large']))
    expect(replies.every((reply) => reply === value)).toBe(true)
    client.close()
    await nodes.close()
  })
})

/** A disk whose syncs wait from `hold` on, until they fail. */
function diskThatFails(): Disk & { hold(): void; fail(): void } {
  let held: Promise<void> | undefined
  let fail = (): void => {}
  return {
    ...realDisk,
    open(path, mode) {
      const file = realDisk.open(path, mode)
      const sync = file.sync.bind(file)
      file.sync = () => held ?? sync()
      return file
    },
    hold() {
      held = new Promise((_resolve, reject) => {
        fail = () => reject(new BedplateError('IO', 'the disk has failed'))
      })
      held.catch(() => {}) // whoever syncs looks at it
    },
    fail: () => fail(),
  }
}
