// What the log of a replicated store carries, and what a snapshot of the store is.
//
//   command    u8 0 set    | u32 length, key | value, to the end
//              u8 1 delete | key, to the end
//              u8 2 member | u53 id | u32 length, join id | u8 1 if it has left for good
//              u8 3 batch  | u32 count; each: u8 0, blob key, blob value, or u8 1, blob key
//   snapshot   u8 version = 1 | u53 index | members: u32 count; each: u53 id, text join id, flag
//              | u32 count; each: blob key, blob value
import { ByteReader, ByteWriter } from '../../../base/binary.ts'
import { BedplateError } from '../../../base/errors.ts'
import type { NodeId } from '../../raft/index.ts'

/** The same on all members, whatever the pages of their stores. */
export const MAX_KEY_BYTES = 1024
export const MAX_VALUE_BYTES = 1024 * 1024
/** Writes of one batch, and what they have together. */
const MAX_BATCH_WRITES = 10_000
export const MAX_BATCH_BYTES = 4 * 1024 * 1024
/** What a command may have in all. */
export const MAX_COMMAND_BYTES = MAX_BATCH_BYTES + 12 * MAX_BATCH_WRITES
const MAX_JOIN_ID_BYTES = 64
/** Ids are never used again, so this many nodes a cluster has in its life. */
const MAX_MEMBER_RECORDS = 4096
const SNAPSHOT_VERSION = 1

/** A change of a key; `value` undefined deletes it. */
export interface Write {
  readonly key: Uint8Array
  readonly value: Uint8Array | undefined
}

/** What is known of a node that was ever let in. */
export interface MemberRecord {
  readonly id: NodeId
  /** Drawn by the node with its directory: another directory is another node, and may not have the id. */
  readonly joinId: string
  readonly hasLeft: boolean
}

/** What a command does. */
export type Command =
  | { readonly kind: 'write'; readonly writes: readonly Write[] }
  | { readonly kind: 'member'; readonly member: MemberRecord }

const KINDS = { set: 0, delete: 1, member: 2, batch: 3 } as const

/** @throws INVALID_INPUT for keys and values beyond the bounds */
export function encodeWrites(writes: readonly Write[]): Uint8Array {
  for (const write of writes) checkWrite(write)
  const [first] = writes
  if (writes.length === 1 && first !== undefined) {
    const { key, value } = first
    if (value === undefined) return new ByteWriter().u8(KINDS.delete).raw(key).finish()
    return new ByteWriter().u8(KINDS.set).blob(key).raw(value).finish()
  }
  const bytes = writes.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0)
  if (writes.length > MAX_BATCH_WRITES || bytes > MAX_BATCH_BYTES) {
    throw new BedplateError('INVALID_INPUT', `a batch of ${writes.length} writes and ${bytes} bytes is too large`, {
      hint: `at most ${MAX_BATCH_WRITES} writes and ${MAX_BATCH_BYTES} bytes go together: send several`,
    })
  }
  const writer = new ByteWriter().u8(KINDS.batch)
  return writer.list(writes, ({ key, value }) => putWrite(writer, key, value)).finish()
}

export function encodeMember({ id, joinId, hasLeft }: MemberRecord): Uint8Array {
  return new ByteWriter().u8(KINDS.member).u53(id).text(joinId).u8(Number(hasLeft)).finish()
}

/** Keys and values are views of the bytes. @throws CORRUPTION */
export function decodeCommand(bytes: Uint8Array): Command {
  const reader = new ByteReader(bytes, 'command of a replicated store')
  switch (reader.choice(4)) {
    case KINDS.set:
      return {
        kind: 'write',
        writes: [{ key: takeKey(reader), value: checked(reader, reader.rest(), MAX_VALUE_BYTES) }],
      }
    case KINDS.delete:
      return { kind: 'write', writes: [{ key: checked(reader, reader.rest(), MAX_KEY_BYTES, 1), value: undefined }] }
    case KINDS.member: {
      const member = takeMember(reader)
      reader.end()
      return { kind: 'member', member }
    }
    default: {
      const writes = reader.list({ most: MAX_BATCH_WRITES, itemBytes: 5 }, () => takeWrite(reader))
      reader.end()
      return { kind: 'write', writes }
    }
  }
}

/** All of a store: what `decodeSnapshot` reads. */
export function encodeSnapshot(
  index: number,
  members: readonly MemberRecord[],
  entries: readonly (readonly [Uint8Array, Uint8Array])[],
): Uint8Array {
  const writer = new ByteWriter().u8(SNAPSHOT_VERSION).u53(index)
  writer.list(members, ({ id, joinId, hasLeft }) => writer.u53(id).text(joinId).u8(Number(hasLeft)))
  return writer.list(entries, ([key, value]) => writer.blob(key).blob(value)).finish()
}

/** What a snapshot has in it. Entries are views of the bytes. */
export interface SnapshotContent {
  readonly index: number
  readonly members: readonly MemberRecord[]
  readonly entries: readonly (readonly [Uint8Array, Uint8Array])[]
}

/** @throws CORRUPTION, INCOMPATIBLE */
export function decodeSnapshot(bytes: Uint8Array): SnapshotContent {
  const reader = new ByteReader(bytes, 'snapshot of a replicated store')
  const version = reader.u8()
  if (version !== SNAPSHOT_VERSION) {
    throw new BedplateError('INCOMPATIBLE', `a snapshot has version ${version}, and ${SNAPSHOT_VERSION} is known`, {
      hint: 'update bedplate',
    })
  }
  const index = reader.u53()
  const members = reader.list({ most: MAX_MEMBER_RECORDS, itemBytes: 13 }, () => takeMember(reader))
  const entries = reader.list({ most: Number.POSITIVE_INFINITY, itemBytes: 8 }, () => {
    return [takeKey(reader), reader.blob(MAX_VALUE_BYTES)] as const
  })
  reader.end()
  return { index, members, entries }
}

/** @throws INVALID_INPUT */
export function checkKey(key: Uint8Array): void {
  if (key.length >= 1 && key.length <= MAX_KEY_BYTES) return
  throw new BedplateError('INVALID_INPUT', `a key has 1 to ${MAX_KEY_BYTES} bytes, and this one ${key.length}`)
}

function checkWrite({ key, value }: Write): void {
  checkKey(key)
  if (value === undefined || value.length <= MAX_VALUE_BYTES) return
  throw new BedplateError('INVALID_INPUT', `a value has at most ${MAX_VALUE_BYTES} bytes, and this one ${value.length}`)
}

function putWrite(writer: ByteWriter, key: Uint8Array, value: Uint8Array | undefined): void {
  writer.u8(value === undefined ? KINDS.delete : KINDS.set).blob(key)
  if (value !== undefined) writer.blob(value)
}

function takeWrite(reader: ByteReader): Write {
  const isDelete = reader.choice(2) === KINDS.delete
  const key = takeKey(reader)
  return { key, value: isDelete ? undefined : reader.blob(MAX_VALUE_BYTES) }
}

function takeKey(reader: ByteReader): Uint8Array {
  return checked(reader, reader.blob(MAX_KEY_BYTES), MAX_KEY_BYTES, 1)
}

/** What no node lets in would not go into the store, and all replicas would end. */
function checked(reader: ByteReader, bytes: Uint8Array, most: number, least = 0): Uint8Array {
  if (bytes.length >= least && bytes.length <= most) return bytes
  throw reader.corrupt(`has a key or a value of ${bytes.length} bytes`)
}

function takeMember(reader: ByteReader): MemberRecord {
  return { id: reader.u53(), joinId: reader.text(MAX_JOIN_ID_BYTES), hasLeft: reader.flag() }
}
