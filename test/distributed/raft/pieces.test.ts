// States that are never in memory at once: they go from disk to disk in pieces.
import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../../../ts/base/binary.ts'
import { type Message, type NodeId, PieceReader } from '../../../ts/distributed/raft/index.ts'
import type { PiecewiseState } from '../../../ts/distributed/raft/state-machine.ts'
import { DriverBed, ListMachine } from '../../support/raft/driver-bed.ts'

const MEMBERS = [1, 2, 3]

async function* inTurn(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size)
}

/** A list that gives and takes one command a piece, and waits before it takes a state if it is told to. */
class PieceList extends ListMachine {
  /** What has happened, in order. */
  readonly events: string[] = []
  gate: Promise<void> = Promise.resolve()
  private taken: string[] = []

  readonly pieces: PiecewiseState = {
    snapshot: () => {
      const frozen = [...this.commands]
      return {
        pieces: (function* () {
          for (const command of frozen) yield Buffer.from(`${command},`)
        })(),
        close: () => this.events.push('closed'),
      }
    },
    take: async (pieces, index) => {
      this.events.push(`take ${index}`)
      await this.gate
      const parts: Uint8Array[] = []
      for await (const piece of pieces) parts.push(piece)
      this.taken = Buffer.concat(parts).toString().split(',').slice(0, -1)
    },
    adopt: () => {
      this.events.push('adopt')
      this.commands = this.taken
    },
  }

  override snapshot(): Uint8Array {
    throw new Error('it gives pieces')
  }

  override restore(): void {
    throw new Error('it takes pieces')
  }
}

describe('a state in pieces', () => {
  async function open() {
    let isCut = false
    const bed = await DriverBed.open({
      members: MEMBERS,
      machine: () => new PieceList(),
      raft: { keptEntries: 0, chunkBytes: 16 },
      mayLeave: (_from: NodeId, to: NodeId, message: Message) => !(isCut && to === 3 && message.kind === 'append'),
    })
    await bed.propose('a')
    const leader = bed.leader!
    const cut = (value: boolean): void => {
      isCut = value
    }
    return { bed, leader, cut }
  }

  it('is taken by a follower that missed more than the log has, and given again by that one', async () => {
    const { bed, leader, cut } = await open()
    if (leader.driver.status.id === 3) await bed.ended(leader.driver.transfer(1))
    await bed.run(() => bed.leader !== undefined && bed.leader.driver.status.id !== 3)
    cut(true)
    for (const command of 'bcdefgh') await bed.propose(command)
    await bed.ended(bed.leader!.driver.snapshot())
    expect((bed.leader!.machine as PieceList).events).toEqual(['closed'])
    const follower = bed.nodes.get(3)!
    const machine = follower.machine as PieceList
    let release = (): void => {}
    machine.gate = new Promise((resolve) => {
      release = resolve
    })
    cut(false)
    await bed.run(() => machine.events.length > 0)
    // Nothing of it counts before all of it is there, also for the engine.
    await bed.propose('i')
    expect(machine.events).toHaveLength(1)
    expect(machine.commands.join('')).toBe('a')
    expect(follower.driver.status.appliedIndex).toBeLessThan(bed.leader!.driver.status.appliedIndex)
    release()
    await bed.run(() => machine.commands.join('') === 'abcdefghi')
    expect(machine.events[1]).toBe('adopt')
    await bed.ended(follower.driver.snapshot())
    await bed.close()
  })

  it('begins again at the next start if the node ends while it takes it', async () => {
    const { bed, leader, cut } = await open()
    if (leader.driver.status.id === 3) await bed.ended(leader.driver.transfer(1))
    await bed.run(() => bed.leader !== undefined && bed.leader.driver.status.id !== 3)
    cut(true)
    for (const command of 'bcd') await bed.propose(command)
    await bed.ended(bed.leader!.driver.snapshot())
    const machine = bed.nodes.get(3)!.machine as PieceList
    machine.gate = new Promise(() => {})
    cut(false)
    await bed.run(() => machine.events.length > 0)
    bed.kill(3)
    await bed.start(3)
    const again = bed.nodes.get(3)!.machine as PieceList
    expect(again.events.slice(0, 2)).toEqual([machine.events[0], 'adopt'])
    await bed.run(() => again.commands.join('') === 'abcd')
    await bed.close()
  })
})

describe('a reader of pieces', () => {
  const bytes = new ByteWriter()
    .u8(7)
    .u32(2 ** 31)
    .u53(2 ** 53 - 1)
    .blob(Buffer.from('blob'))
    .text('text')
    .u32(2)
    .u8(1)
    .u8(0)
    .finish()

  it.each([1, 2, 3, 5, 1000])('takes values that lie across pieces of %i bytes', async (size) => {
    const reader = new PieceReader(inTurn(bytes, size), 'thing')
    expect([await reader.u8(), await reader.u32(), await reader.u53()]).toEqual([7, 2 ** 31, 2 ** 53 - 1])
    expect(Buffer.from(await reader.blob(4)).toString()).toBe('blob')
    expect(await reader.text(10)).toBe('text')
    expect(await reader.list(2, () => reader.choice(2))).toEqual([1, 0])
    await reader.end()
  })

  it('gives what it has not taken on, as it is', async () => {
    const reader = new PieceReader(inTurn(bytes, 4), 'thing')
    await reader.u8()
    const rest: Uint8Array[] = []
    for await (const piece of reader.rest()) rest.push(piece)
    expect(Buffer.concat(rest)).toEqual(Buffer.from(bytes.subarray(1)))
  })

  it('refuses what ends too early, is too long, or cannot be', async () => {
    const reader = () => new PieceReader(inTurn(bytes, 3), 'thing')
    const corrupt = (message: RegExp) => ({ code: 'CORRUPTION', message: expect.stringMatching(message) })
    await expect(reader().take(1000)).rejects.toMatchObject(corrupt(/the thing ends \d+ bytes too early/))
    await expect(reader().blob(3)).rejects.toMatchObject(corrupt(/a part of \d+ bytes, and 3 are allowed/))
    await expect(reader().list(3, () => reader().u8())).rejects.toMatchObject(corrupt(/a list of \d+, and 3/))
    await expect(reader().choice(2)).rejects.toMatchObject(corrupt(/has 7 where less than 2/))
    await expect(reader().end()).rejects.toMatchObject(corrupt(/more than it should/))
  })
})
