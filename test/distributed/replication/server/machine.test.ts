import { afterAll, describe, expect, it } from 'vitest'
import { decodeCommand, encodeMember, encodeWrites } from '../../../../ts/distributed/replication/server/command.ts'
import { MAX_KEY_BYTES, MAX_VALUE_BYTES } from '../../../../ts/distributed/replication/server/command-layout.ts'
import { KvMachine } from '../../../../ts/distributed/replication/server/machine.ts'
import { type KeyRange, openRecords } from '../../../../ts/distributed/replication/server/records.ts'
import { WriteBatch } from '../../../../ts/distributed/replication/server/write-batch.ts'
import type { Write, WriteList } from '../../../../ts/distributed/replication/server/write-list.ts'
import { seededRandom } from '../../../../ts/io/random.ts'
import { directoryInMemory } from '../../../support/temporary-directory.ts'

const home = directoryInMemory()
let opened = 0

afterAll(() => home.remove())

async function open(path = `${home.path}/${++opened}`): Promise<KvMachine> {
  return new KvMachine(
    await openRecords(path, (error) => {
      throw error
    }),
  )
}

const bytes = (text: string): Uint8Array => Buffer.from(text)
const set = (key: string, value: string): Uint8Array => encodeWrites([{ key: bytes(key), value: bytes(value) }])

function piecesOf(machine: KvMachine): Uint8Array[] {
  const { pieces, close } = machine.pieces.snapshot()
  try {
    return [...pieces]
  } finally {
    close()
  }
}

async function* inTurn(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces
}

/** What a driver does with a snapshot. */
async function copyInto(machine: KvMachine, pieces: readonly Uint8Array[], index: number): Promise<void> {
  await machine.pieces.take(inTurn(pieces), index)
  machine.pieces.adopt()
}

/** Keys and values, in their order. */
function contentOf(machine: KvMachine, range: KeyRange = {}): string[][] {
  return [...machine.range(range)].map((entry) => entry.map((each) => Buffer.from(each).toString()))
}

/** The state as it ought to be: what was applied, and over it what is shown. */
class Model {
  applied = new Map<string, string>()
  log: (readonly Write[])[] = []
  appliedCount = 0

  shown(): Map<string, string> {
    const state = new Map(this.applied)
    for (const writes of this.log.slice(this.appliedCount)) change(state, writes)
    return state
  }

  apply(): void {
    change(this.applied, this.log[this.appliedCount++] as readonly Write[])
  }
}

function change(state: Map<string, string>, writes: readonly Write[]): void {
  for (const { key, value } of writes) {
    const name = Buffer.from(key).toString()
    if (value === undefined) state.delete(name)
    else state.set(name, Buffer.from(value).toString())
  }
}

function sorted(state: Map<string, string>): string[][] {
  return [...state].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

const KEYS = ['a', 'a\u0001', 'b', 'ba', 'c', 'é', 'z', '漢']

async function runSeed(seed: number): Promise<void> {
  const random = seededRandom(seed)
  const below = (count: number): number => Math.floor(random.next() * count)
  const path = `${home.path}/${++opened}`
  let machine = await open(path)
  const model = new Model()
  let shownCount = 0
  for (let step = 0; step < 300; step++) {
    const dice = below(100)
    if (dice < 45) {
      const writes = Array.from({ length: 1 + below(3) }, (): Write => {
        return { key: bytes(KEYS[below(KEYS.length)]!), value: below(4) === 0 ? undefined : bytes(`v${step}`) }
      })
      model.log.push(writes)
      shownCount++
      machine.show(encodeWrites(writes), model.log.length)
    } else if (dice < 75 && model.appliedCount < shownCount) {
      machine.apply(encodeWrites(model.log[model.appliedCount]!), model.appliedCount + 1)
      model.apply()
    } else if (dice < 85 && model.appliedCount < shownCount) {
      const from = model.appliedCount + 1 + below(shownCount - model.appliedCount)
      model.log.length = from - 1
      shownCount = from - 1
      machine.hide(from)
    } else if (dice < 90) {
      const other = await open()
      await copyInto(other, piecesOf(machine), model.appliedCount)
      expect(contentOf(other), `seed ${seed} step ${step}: a snapshot has what was applied`).toEqual(
        sorted(model.applied),
      )
      await other.close()
    } else if (dice < 93) {
      await machine.close()
      machine = await open(path)
      expect(machine.appliedIndex, `seed ${seed} step ${step}`).toBe(model.appliedCount)
      // A driver starts from its snapshot: it executes once more, and then shows once more.
      for (let i = 0; i < model.appliedCount; i++) machine.apply(encodeWrites(model.log[i]!), i + 1)
      for (let i = model.appliedCount; i < shownCount; i++) machine.show(encodeWrites(model.log[i]!), i + 1)
    }
    const shown = model.shown()
    expect(contentOf(machine), `seed ${seed} step ${step}`).toEqual(sorted(shown))
    const [key, low, high] = [KEYS[below(KEYS.length)]!, KEYS[below(KEYS.length)]!, KEYS[below(KEYS.length)]!]
    const found = machine.get(bytes(key))
    expect(found && Buffer.from(found).toString(), `seed ${seed} step ${step} ${key}`).toBe(shown.get(key))
    expect(machine.has(bytes(key)), `seed ${seed} step ${step} ${key}`).toBe(shown.has(key))
    const within = [...shown].filter(
      ([name]) => Buffer.compare(bytes(name), bytes(low)) > 0 && Buffer.compare(bytes(name), bytes(high)) <= 0,
    )
    expect(contentOf(machine, { gt: bytes(low), lte: bytes(high) })).toEqual(sorted(new Map(within)))
    const begins = [...shown].filter(([name]) => name.startsWith(key))
    expect(contentOf(machine, { prefix: bytes(key) })).toEqual(sorted(new Map(begins)))
  }
  await machine.close()
}

describe('the state machine', () => {
  it.each([1, 2, 3])('shows, executes, takes back and restores as a model does (seed %i)', runSeed)

  it('says of each delete whether the key was there, when it shows the command and when it applies it', async () => {
    const machine = await open()
    const remove = (...keys: string[]): Uint8Array =>
      encodeWrites(keys.map((key) => ({ key: bytes(key), value: undefined })))
    const commands: [Uint8Array, number[]][] = [
      [set('a', '1'), []],
      [remove('a'), [1]],
      [remove('a', 'b'), [0, 0]],
      [
        encodeWrites([
          { key: bytes('b'), value: bytes('1') },
          { key: bytes('b'), value: undefined },
          { key: bytes('b'), value: undefined },
        ]),
        [1, 0],
      ],
      [set('c', '1'), []],
      [remove('c', 'c', 'd'), [1, 0, 0]],
    ]
    for (const [i, [command, found]] of commands.entries()) expect([...machine.show(command, i + 1)]).toEqual(found)
    for (const [i, [command, found]] of commands.entries()) expect([...machine.apply(command, i + 1)]).toEqual(found)
    expect(contentOf(machine)).toEqual([])
    await machine.close()
  })

  it('executes nothing twice, also after a restart', async () => {
    const path = `${home.path}/${++opened}`
    const first = await open(path)
    first.apply(set('a', '1'), 1)
    first.apply(set('a', '2'), 2)
    await first.close()
    const second = await open(path)
    second.apply(set('a', '1'), 1)
    expect([second.appliedIndex, contentOf(second)]).toEqual([2, [['a', '2']]])
    await second.close()
  })

  it('keeps the first directory that came with an id, until the node is removed', async () => {
    const machine = await open()
    const member = { id: 2, joinId: '00000000000000aa', hasLeft: false }
    machine.apply(encodeMember(member), 1)
    machine.apply(encodeMember({ ...member, joinId: '00000000000000bb' }), 2)
    expect(machine.members.get(2)).toEqual(member)
    machine.apply(encodeMember({ ...member, hasLeft: true }), 3)
    const copy = await open()
    await copyInto(copy, piecesOf(machine), 3)
    expect(copy.members.get(2)).toEqual({ ...member, hasLeft: true })
    await machine.close()
    await copy.close()
  })

  it('takes nothing from a snapshot that is damaged', async () => {
    const machine = await open()
    machine.apply(set('a', '1'), 1)
    const snapshot = Buffer.concat(piecesOf(machine))
    for (let length = 0; length < snapshot.length; length++) {
      await expect(copyInto(machine, [snapshot.subarray(0, length)], 9)).rejects.toMatchObject({ code: 'CORRUPTION' })
    }
    await expect(copyInto(machine, [snapshot, bytes('x')], 9)).rejects.toMatchObject({ code: 'CORRUPTION' })
    machine.pieces.adopt()
    expect([machine.appliedIndex, contentOf(machine)]).toEqual([1, [['a', '1']]])
    await machine.close()
  })

  it('gives a snapshot as of its beginning, while more is executed', async () => {
    const machine = await open()
    for (let i = 1; i <= 500; i++) machine.apply(set(`k${i}`, 'x'.repeat(2000)), i)
    const { pieces, close } = machine.pieces.snapshot()
    const taken: Uint8Array[] = []
    let index = 500
    for (const piece of pieces) {
      taken.push(piece)
      machine.apply(set(`k${(index % 500) + 1}`, 'y'), ++index)
    }
    close()
    expect(taken.length).toBeGreaterThan(3)
    const copy = await open()
    await copyInto(copy, taken, 500)
    expect([copy.appliedIndex, contentOf(copy).filter(([, value]) => value!.length === 2000).length]).toEqual([
      500, 500,
    ])
    await machine.close()
    await copy.close()
  })

  it('shows what it had until it has taken all of another state, also across a crash', async () => {
    const [source, path] = [await open(), `${home.path}/${++opened}`]
    for (let i = 1; i <= 9; i++) source.apply(set(`new${i}`, '1'), i)
    const target = await open(path)
    target.apply(set('old', '1'), 1)
    await target.pieces.take(inTurn(piecesOf(source)), 9)
    expect([target.appliedIndex, contentOf(target)]).toEqual([1, [['old', '1']]])
    await target.close() // before it was adopted
    const again = await open(path)
    expect([again.appliedIndex, contentOf(again)]).toEqual([1, [['old', '1']]])
    again.pieces.adopt() // of what is gone
    expect(again.appliedIndex).toBe(1)
    await copyInto(again, piecesOf(source), 9)
    expect([again.appliedIndex, again.keyCount]).toEqual([9, 9])
    again.apply(set('newer', '2'), 10)
    await copyInto(again, piecesOf(again), 10) // it is not ahead: nothing changes
    await again.close()
    const last = await open(path)
    expect([last.appliedIndex, last.keyCount, contentOf(last, { prefix: bytes('newer') })]).toEqual([
      10,
      10,
      [['newer', '2']],
    ])
    await last.close()
    await source.close()
  })
})

describe('commands', () => {
  it('are the same after their bytes', () => {
    const writes = [
      { key: bytes('a'), value: bytes('') },
      { key: bytes('b'), value: undefined },
    ]
    for (const some of [writes, writes.slice(0, 1), writes.slice(1)]) {
      const command = decodeCommand(encodeWrites(some))
      const plain = JSON.stringify(some.map(({ key, value }) => [[...key], value && [...value]]))
      const found = command.kind === 'write' ? [...command.writes] : []
      expect(JSON.stringify(found.map(({ key, value }) => [[...key], value && [...value]]))).toBe(plain)
    }
  })

  it('made as they come are the same as those made at once', () => {
    const writes = [
      { key: bytes('a'), value: bytes('x'.repeat(50)) },
      { key: bytes('key of more than thirty bytes in all'), value: undefined },
      { key: bytes('b'), value: bytes('') },
    ]
    const batch = new WriteBatch()
    for (const { key, value } of writes) {
      const name = Buffer.from(key).toString('latin1')
      if (value === undefined) batch.delete(name)
      else batch.set(name, Buffer.from(value).toString('latin1'))
    }
    expect([batch.count, batch.deleteCount]).toEqual([3, 1])
    expect(Buffer.from(batch.finish())).toEqual(Buffer.from(encodeWrites(writes)))
    const parts = Buffer.from('..a..xyz..')
    const other = new WriteBatch()
    for (let i = 0; i < 2000; i++) other.setParts(parts, 2, 1, 5, 3)
    const same = encodeWrites(Array.from({ length: 2000 }, () => ({ key: bytes('a'), value: bytes('xyz') })))
    expect(Buffer.from(other.finish())).toEqual(Buffer.from(same))
    expect(other.restart(1)).toBe(false)
    other.delete('a')
    expect([...(decodeCommand(other.finish()) as { writes: WriteList }).writes]).toHaveLength(1)
  })

  it('are refused wherever they end too early', () => {
    const whole = encodeWrites([
      { key: bytes('a'), value: bytes('1') },
      { key: bytes('b'), value: undefined },
    ])
    for (let length = 0; length < whole.length; length++) {
      expect(() => decodeCommand(whole.subarray(0, length))).toThrow(expect.objectContaining({ code: 'CORRUPTION' }))
    }
    expect(() => decodeCommand(Buffer.concat([whole, bytes('.')]))).toThrow(/is none that was written/)
  })

  it('are bounded', () => {
    const value = bytes('')
    for (const key of [new Uint8Array(0), new Uint8Array(MAX_KEY_BYTES + 1)]) {
      expect(() => encodeWrites([{ key, value }])).toThrow(/a key has 1 to 1024 bytes/)
    }
    const large = new Uint8Array(MAX_VALUE_BYTES + 1)
    expect(() => encodeWrites([{ key: bytes('a'), value: large }])).toThrow(/a value has at most 1048576 bytes/)
    const many = Array.from({ length: 10_001 }, () => ({ key: bytes('a'), value }))
    expect(() => encodeWrites(many)).toThrow(/a batch of 10001 writes/)
    const long = `\u0001${'k'.repeat(MAX_KEY_BYTES + 1)}`
    for (const text of [
      '',
      '\u0001',
      long,
      '\u0000\0\0\0\0v',
      '\u0004',
      '\u0000\xff\xff\xff\xff',
      '\u0003\xff\xff\xff\xff',
      '\u0002\u0001',
    ]) {
      expect(() => decodeCommand(Buffer.from(text, 'latin1'))).toThrow(expect.objectContaining({ code: 'CORRUPTION' }))
    }
  })
})
