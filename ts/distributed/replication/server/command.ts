// What the log of a replicated store carries, and what a snapshot of the store is.
//
//   command    see command-layout.ts
//   snapshot   u8 version = 1 | u53 index | members: u32 count; each: u53 id, text join id, flag
//              | u32 count; each: blob key, blob value
import { ByteReader, ByteWriter } from '../../../base/binary.ts'
import { BedplateError } from '../../../base/errors.ts'
import type { NodeId } from '../../raft/index.ts'
import { KINDS, MAX_BATCH_BYTES, MAX_BATCH_WRITES, MAX_KEY_BYTES, MAX_VALUE_BYTES } from './command-layout.ts'
import { type Write, WriteList } from './write-list.ts'

const MAX_JOIN_ID_BYTES = 64
/** Ids are never used again, so this many nodes a cluster has in its life. */
const MAX_MEMBER_RECORDS = 4096
const SNAPSHOT_VERSION = 1

/** What is known of a node that was ever let in. */
export interface MemberRecord {
  readonly id: NodeId
  /** Drawn by the node with its directory: another directory is another node, and may not have the id. */
  readonly joinId: string
  readonly hasLeft: boolean
}

/** What a command does. */
export type Command =
  | { readonly kind: 'write'; readonly writes: WriteList }
  | { readonly kind: 'member'; readonly member: MemberRecord }

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
  if (bytes[0] !== KINDS.member) return { kind: 'write', writes: new WriteList(bytes) }
  const reader = new ByteReader(bytes, 'command of a replicated store')
  reader.u8()
  const member = takeMember(reader)
  reader.end()
  return { kind: 'member', member }
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

/** What no node lets in would not go into the store, and all replicas would end. */
function takeKey(reader: ByteReader): Uint8Array {
  const key = reader.blob(MAX_KEY_BYTES)
  if (key.length === 0) throw reader.corrupt('has a key of no bytes')
  return key
}

function takeMember(reader: ByteReader): MemberRecord {
  return { id: reader.u53(), joinId: reader.text(MAX_JOIN_ID_BYTES), hasLeft: reader.flag() }
}
