// What a node of the partitioned store reads from its disk and hears from its peers, given what no node writes or says.
import { isCode } from '../../../ts/base/errors.ts'
import { buildRing } from '../../../ts/distributed/ring/index.ts'
import { beginLife, claim } from '../../../ts/distributed/ring/store/identity.ts'
import { type Effect, encodeContext, foundingRecord, type Message } from '../../../ts/distributed/ring/store/index.ts'
import {
  encodeAside,
  encodeHello,
  encodeMessage,
  newDecoder,
} from '../../../ts/distributed/ring/store/message-codec.ts'
import { readRecord } from '../../../ts/distributed/ring/store/ring-state.ts'
import { type Bytes, NodeStorage } from '../../../ts/distributed/ring/store/storage.ts'
import { decodeContext } from '../../../ts/distributed/ring/store/versions.ts'
import { decodeVersions, encodeVersions } from '../../../ts/distributed/ring/store/versions-codec.ts'
import type { Random } from '../../../ts/io/random.ts'
import { must } from '../btree-crash/expectation.ts'
import { below, pick } from '../btree-crash/workload.ts'
import { Bed } from '../ring-store/bed.ts'
import { HELLO, VERSIONS } from '../ring-store/messages.ts'
import { damagedFrame } from './damage.ts'
import { mutateJson, mutateNumbers } from './json.ts'
import { mutate } from './mutate.ts'

/** More than a story of so few steps sends, unless two nodes never come to an end. */
const MOST_MESSAGES = 20_000
const DAMAGED_CHANCE = 0.05
/** Of what is written or sent as it should be. */
const LOOKED_AT_CHANCE = 0.2
const REFUSALS = ['INVALID_INPUT', 'NOT_FOUND', 'CONFLICT'] as const
const RECORD = foundingRecord(
  buildRing([{ name: 'n1', zone: 'a' }, { name: 'n2', weight: 2 }, { name: 'n3' }], { virtualNodes: 4 }),
  2,
)
const MOVING = {
  ...{ ...RECORD, epoch: 7, phase: 'streaming', lost: ['n2'] },
  next: buildRing([{ name: 'n1' }, { name: 'n3' }, { name: 'n4' }], { virtualNodes: 4 }).describe(),
}

/** What is taken out of a record can be written again, and read again. */
export function fuzzVersions(random: Random): void {
  const versions = decodeVersions(mutate(encodeVersions(VERSIONS), random))
  const bytes = encodeVersions(versions)
  must(Buffer.compare(encodeVersions(decodeVersions(bytes)), bytes) === 0, 'a record that changes')
  // Clients get it and pass it back.
  try {
    decodeContext(encodeContext(versions.context))
  } catch (error) {
    if (!isCode(error, 'INVALID_INPUT')) throw error
  }
}

export function fuzzRingRecord(random: Random): void {
  const { record, ring, next } = readRecord(mutateJson(pick(random, [RECORD, MOVING]), random))
  for (const each of [ring, next]) each?.preferenceListAt(below(random, 2 ** 53), record.replicas)
}

/** Keys, hints and notes as rows of a store that nobody checks any more. */
export async function fuzzRows(random: Random): Promise<void> {
  const written = new Map<string, Map<string, Uint8Array>>()
  const storage = new NodeStorage(storeOf(written))
  const identity = { clusterId: 'shop', name: 'n1', path: '/node', random }
  await claim(storage, identity)
  await beginLife(storage)
  await storage.put('user:1', VERSIONS)
  await storage.put('ключ', VERSIONS)
  await storage.putHint('n2', 'user:1', { versions: VERSIONS, era: 3 })
  const rows = pick(random, [...written.values()])
  const [row, bytes] = pick(random, [...rows])
  rows.delete(row)
  if (random.next() < 0.5) rows.set(row, mutate(bytes, random))
  else rows.set(Buffer.from(mutate(Buffer.from(row, 'latin1'), random)).toString('latin1'), bytes)
  for (const read of [
    () => storage.get('user:1'),
    () => storage.hints(),
    () => claim(storage, identity),
    () => beginLife(storage),
    () => {
      const keys = new Set<string>()
      for (let last: string | undefined; ; ) {
        const [entry] = storage.scan({ start: 0, end: 2 ** 53 }, last, 1)
        if (entry === undefined) return
        must(!keys.has(entry.key), 'a scan that goes round in circles')
        keys.add(entry.key)
        last = entry.key
      }
    },
  ]) {
    await tolerantly(read)
  }
}

/** A node that begins with what its disk says it had promised, copied and forgotten. */
export function fuzzNotes(random: Random): void {
  const bed = new Bed(3, { spares: 1 })
  bed.tick(3)
  bed.put('n1', 'value')
  if (random.next() < 0.7) bed.change('n1', { kind: 'add', node: { name: 'n4' } })
  bed.tick(2)
  const name = pick(random, ['n1', 'n4'])
  const disk = bed.disk(name)
  disk.notes = mutateJson(disk.notes, random) as object
  bed.crash(name)
  bed.tick(20)
}

/**
 * A cluster some of whose messages say something else than was sent: no node fails, all that nodes write can be read again, all that
 * they send is taken by the codec, and there is an end to it.
 */
export function fuzzPeers(random: Random): void {
  let count = 0
  const bed = new Bed(3, {
    ...{ spares: 1, syncTicks: 7, entriesPerTick: 1 + below(random, 4) },
    wire: (message) => {
      must(++count < MOST_MESSAGES, 'messages without end')
      if (random.next() >= DAMAGED_CHANCE) return message
      const frame = encodeMessage(0, random.next() < 0.3 ? (mutateNumbers(message, random) as Message) : message)
      return decode(random.next() < 0.5 ? damagedFrame(frame, random) : frame)
    },
    look: (effect) => {
      if (random.next() < LOOKED_AT_CHANCE) checkEffect(effect)
    },
  })
  for (let turn = 0; turn < 15; turn++) {
    tolerantlyAsk(() => act(bed, random))
    bed.tick(1 + below(random, 3))
  }
}

function act(bed: Bed, random: Random): void {
  const name = pick(random, bed.names)
  const key = `user:${below(random, 5)}`
  const how = random.next()
  if (how < 0.4) bed.put(name, random.next() < 0.3 ? undefined : 'value', { key })
  else if (how < 0.6) bed.get(name, 2, 3, key)
  else if (how < 0.7) bed.repair(name)
  else if (how < 0.75) bed.down.add(name)
  else if (how < 0.85) bed.down.clear()
  else if (how < 0.9) bed.change(name, { kind: 'remove', name: 'n1' })
  else bed.change(name, { kind: 'add', node: { name: 'n4' } })
}

/** @returns undefined for a message that no receiver takes. */
function decode(frame: Uint8Array): Message | undefined {
  const decoder = newDecoder()
  decoder.push(Buffer.concat([encodeHello(HELLO), encodeAside(0, { kind: 'ping' })]))
  try {
    const [first] = decoder.push(frame)
    return first !== undefined && 'epoch' in first.message ? first.message : undefined
  } catch (error) {
    if (isCode(error, 'CORRUPTION')) return undefined
    throw error
  }
}

function checkEffect(effect: Effect): void {
  if (effect.kind === 'persist' && effect.versions !== undefined) decodeVersions(encodeVersions(effect.versions))
  else if (effect.kind === 'persistHint' && effect.hint !== undefined)
    decodeVersions(encodeVersions(effect.hint.versions))
  else if (effect.kind === 'persistNotes') JSON.stringify(effect.notes)
  else if (effect.kind === 'send')
    must(decode(encodeMessage(0, effect.message)) !== undefined, 'a message that none takes')
}

async function tolerantly(work: () => unknown): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!isCode(error, 'CORRUPTION') && !isCode(error, 'INCOMPATIBLE') && !isCode(error, 'INVALID_INPUT')) throw error
  }
}

/** An operator or a client may be refused. */
function tolerantlyAsk(work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!REFUSALS.some((code) => isCode(error, code))) throw error
  }
}

/** As much of a store of bytes as `NodeStorage` uses. Rows by tree, as Latin-1. */
function storeOf(trees: Map<string, Map<string, Uint8Array>>): Bytes {
  const tree = (name: string) => {
    const rows = trees.get(name) ?? new Map<string, Uint8Array>()
    trees.set(name, rows)
    const rowOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
    const put = async (key: Uint8Array, value: Uint8Array): Promise<void> => void rows.set(rowOf(key), value)
    return {
      put,
      get: (key: Uint8Array) => rows.get(rowOf(key)),
      batch: async (writes: { key: Uint8Array; value: Uint8Array }[]) => {
        for (const { key, value } of writes) await put(key, value)
      },
      range: ({ gte, gt, limit = 100 }: { gte?: Uint8Array; gt?: Uint8Array; limit?: number }) => {
        const [low, above] = [rowOf(gte ?? new Uint8Array(0)), gt === undefined ? undefined : rowOf(gt)]
        return [...rows]
          .filter(([row]) => row >= low && (above === undefined || row > above))
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .slice(0, limit)
          .map(([row, value]) => [new Uint8Array(Buffer.from(row, 'latin1')), value])
      },
    }
  }
  return { ...tree(''), tree } as unknown as Bytes
}
