// One client of Redis's protocol without a socket: what a connection and a node can only seldom be made to do.
import { describe, expect, it, vi } from 'vitest'
import { BedplateError } from '../../../../ts/base/errors.ts'
import { StubClient } from '../../../support/replicated-kv/stub-client.ts'

/** A client of a node that fails in a way that nobody foresaw, when it is asked how it is. */
function ofBrokenNode(): StubClient {
  const stub = new StubClient()
  Object.defineProperty(stub.replica, 'status', {
    get: () => {
      throw new TypeError('unforeseen')
    },
  })
  return stub
}

describe('a client of a node', () => {
  it('that asks for too much at once has no more read for it than it may get', async () => {
    const value = new Uint8Array(1024 * 1024)
    let count = 0
    const get = (): Uint8Array => {
      count++
      return value
    }
    const stub = new StubClient({ keys: { get, has: () => true } })
    const keys = Array.from({ length: 10_000 }, (_, i) => `k${i}`)
    expect(await stub.ask(['MGET', ...keys], ['EXISTS', ...keys])).toEqual([
      expect.stringMatching(/^ERR these values have more than 33554432 bytes/),
      10_000, // without a look at any value
    ])
    expect(count).toBe(33)
  })

  it('is told what nobody foresaw, and let go', async () => {
    const stub = ofBrokenNode()
    expect(await stub.ask(['PING'], ['ROLE'], ['PING'])).toEqual(['PONG', 'ERR TypeError: unforeseen'])
    expect(stub.connection.told).toEqual(['end'])
  })

  it('does not keep others from their answers when that happens', async () => {
    const stub = ofBrokenNode()
    let isTold = false
    stub.send(['SET', 'a', '1'], ['INFO'])
    stub.gatherer.room(1, 10, false)?.set('b', '1')
    const written = (): void => {
      isTold = true
    }
    stub.gatherer.join({ written, failed: () => {} })
    // INFO is run in the turn in which the gatherer tells of the writes.
    expect(await stub.heard()).toEqual(['OK', 'ERR TypeError: unforeseen'])
    expect([isTold, stub.connection.told]).toEqual([true, ['end']])
  })

  it('is answered in step when one read of several fails', async () => {
    const get = (key: Uint8Array): Uint8Array => {
      if (key[0] === 0x62) throw new BedplateError('IO', 'no disk')
      if (key[0] === 0x63) throw new TypeError('unforeseen')
      return key
    }
    const stub = new StubClient({ keys: { get, has: () => true } })
    expect(await stub.ask(['GET', 'a'], ['GET', 'b'], ['MGET', 'a', 'b'], ['GET', 'd'], ['PING'])).toEqual([
      ...['a', 'MISCONF no disk', 'MISCONF no disk', 'd', 'PONG'],
    ])
    expect(await stub.ask(['GET', 'a'], ['GET', 'c'])).toEqual(['a', 'ERR TypeError: unforeseen'])
    expect(stub.connection.told).toEqual(['end'])
  })

  it('reads what it is owed before more is run for it', async () => {
    const stub = new StubClient()
    const read = vi.spyOn(stub.replica, 'read')
    const { connection, client } = stub
    connection.waitingBytes = 2 * 1024 * 1024
    expect(await stub.ask(['GET', 'a'])).toEqual(['a'])
    const key = 'k'.repeat(1000)
    const commands = Array.from({ length: 100 }, () => ['GET', key])
    expect(await stub.ask(...commands)).toEqual([])
    expect([read.mock.calls.length, connection.told]).toEqual([1, ['pause']])
    connection.waitingBytes = 0
    client.drained()
    expect(await stub.heard()).toEqual(commands.map(() => key))
    expect([read.mock.calls.length, connection.told]).toEqual([2, ['pause', 'resume']])
  })

  it('that is let go is told once, and heard until it is gone', async () => {
    const stub = new StubClient()
    const { client, clock, connection } = stub
    connection.waitingBytes = 2 * 1024 * 1024
    await stub.ask(['GET', 'a'])
    stub.send(['SET', 'a', 'v'.repeat(100_000)])
    client.hangUp()
    client.hangUp()
    expect([connection.told, clock.pending]).toEqual([['pause', 'resume', 'end'], 1])
    client.closed()
    expect(clock.pending).toBe(0)
    const other = new StubClient()
    await other.ask(['QUIT'])
    expect([other.connection.told, other.clock.pending]).toEqual([['end'], 1])
  })

  it('has to show the secret again after RESET', async () => {
    const stub = new StubClient({ secret: 'open sesame' })
    const noAuth = 'NOAUTH Authentication required.'
    expect(await stub.ask(['AUTH', 'open sesame'], ['GET', 'a'], ['RESET'], ['GET', 'a'])).toEqual([
      ...['OK', 'a', 'RESET', noAuth],
    ])
    expect(await stub.ask(['SET', 'a', 'v'.repeat(100_000)])).toEqual([
      'ERR Protocol error: unauthenticated bulk length',
    ])
    const open = new StubClient()
    expect(await open.ask(['RESET'], ['GET', 'a'])).toEqual(['RESET', 'a'])
  })
})
