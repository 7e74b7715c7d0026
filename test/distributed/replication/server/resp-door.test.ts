// All clients of Redis's protocol of one node, without sockets.
import { describe, expect, it } from 'vitest'
import { RespDoor } from '../../../../ts/distributed/replication/server/resp/door.ts'
import { ManualClock } from '../../../support/manual-clock.ts'
import { encode } from '../../../support/replicated-kv/resp-connection.ts'
import { StubConnection, stubReplica } from '../../../support/replicated-kv/stub-client.ts'

const LOOK_MS = 30_000

function open(replica = stubReplica()): { door: RespDoor; clock: ManualClock } {
  const clock = new ManualClock()
  const door = new RespDoor({ clock, replica: () => replica, maxClients: 10, secret: '', patienceMs: 100 })
  return { door, clock }
}

/** Lets writes meet, and be answered. */
async function turns(clock: ManualClock): Promise<void> {
  for (let i = 0; i < 4; i++) await clock.turn()
}

describe('a door for clients', () => {
  it.each([
    ['SET', 'a', 'v'.repeat(1000)],
    ['INCR', 'a'], // which is refused
  ])('lets a client stay that is always in the middle of another %s', async (...args) => {
    const { door, clock } = open()
    const connection = new StubConnection()
    const { data } = door.accept(connection)
    const bytes = encode(args)
    const half = bytes.length >> 1
    data(bytes.subarray(0, half))
    for (let i = 0; i < 5; i++) {
      clock.advance(LOOK_MS)
      data(Buffer.concat([bytes.subarray(half), bytes.subarray(0, half)]))
      await turns(clock)
    }
    expect(connection.told).toEqual([])
    clock.advance(LOOK_MS)
    clock.advance(LOOK_MS)
    expect(connection.told).toEqual(['destroy'])
  })

  it('is empty once it has drained, and everybody has the answers to what was under way', async () => {
    const replica = stubReplica()
    let execute = (): void => {}
    const executed = new Promise<void>((resolve) => {
      execute = resolve
    })
    replica.execute = () => executed.then(() => ({ index: 1, term: 1, result: new Uint8Array(0) }))
    const { door, clock } = open(replica)
    const [writer, idle] = [new StubConnection(), new StubConnection()]
    const events = [door.accept(writer), door.accept(idle)] as const
    events[0].data(encode(['SET', 'a', '1']))
    await turns(clock)
    let isDrained = false
    const drained = door.drain().then(() => {
      isDrained = true
    })
    expect([writer.told, idle.told]).toEqual([[], ['end']])
    events[1].closed()
    execute()
    await turns(clock)
    expect([Buffer.concat(writer.said).toString(), writer.told, isDrained]).toEqual(['+OK\r\n', ['end'], false])
    const drainedAgain = door.drain() // as when somebody closes twice
    events[0].closed()
    await drainedAgain
    await drained
    expect(door.clientCount).toBe(0)
    await door.drain()
  })
})
