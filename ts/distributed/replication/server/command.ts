// What the log of a replicated store carries, and what a snapshot of the store is.
//
//   command    see command-layout.ts
//   snapshot   u8 version = 2 | u53 index | members: u32 count; each: u53 id, text join id, flag
//              | entries, each: u8 1, blob key, blob value | u8 0
import { ByteReader, ByteWriter } from '../../../base/binary.ts'
import { BedplateError } from '../../../base/errors.ts'
import type { NodeId, PieceReader } from '../../raft/index.ts'
import { KINDS, MAX_BATCH_BYTES, MAX_BATCH_WRITES, MAX_KEY_BYTES, MAX_VALUE_BYTES } from './command-layout.ts'
import { type Write, WriteList } from './write-list.ts'

const MAX_JOIN_ID_BYTES = 64
/** Ids are never used again, so this many nodes a cluster has in its life. */
const MAX_MEMBER_RECORDS = 4096
const SNAPSHOT_VERSION = 2
const SNAPSHOT_PIECE_BYTES = 256 * 1024
const ENTRY = 1
const END = 0

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

/** What a snapshot has before its entries. */
export interface SnapshotHead {
  /** The last entry of the log that is in it. */
  readonly index: number
  readonly members: readonly MemberRecord[]
}

/** All of a store, in pieces of about `SNAPSHOT_PIECE_BYTES`. Entries are taken as pieces are. */
export function* encodeSnapshot(
  { index, members }: SnapshotHead,
  entries: Iterable<readonly [Uint8Array, Uint8Array]>,
): Generator<Uint8Array> {
  let writer = new ByteWriter().u8(SNAPSHOT_VERSION).u53(index)
  writer.list(members, ({ id, joinId, hasLeft }) => writer.u53(id).text(joinId).u8(Number(hasLeft)))
  let bytes = 0
  for (const [key, value] of entries) {
    writer.u8(ENTRY).blob(key).blob(value)
    bytes += key.length + value.length
    if (bytes < SNAPSHOT_PIECE_BYTES) continue
    yield writer.finish()
    writer = new ByteWriter()
    bytes = 0
  }
  yield writer.u8(END).finish()
}

/** @throws CORRUPTION, INCOMPATIBLE */
export async function takeSnapshotHead(reader: PieceReader): Promise<SnapshotHead> {
  const version = await reader.u8()
  if (version !== SNAPSHOT_VERSION) {
    throw new BedplateError('INCOMPATIBLE', `a snapshot has version ${version}, and ${SNAPSHOT_VERSION} is known`, {
      hint: 'update bedplate',
    })
  }
  const index = await reader.u53()
  const members = await reader.list(MAX_MEMBER_RECORDS, async (): Promise<MemberRecord> => {
    const [id, joinId] = [await reader.u53(), await reader.text(MAX_JOIN_ID_BYTES)]
    return { id, joinId, hasLeft: (await reader.choice(2)) === 1 }
  })
  return { index, members }
}

/** What follows. Keys and values are views of pieces. @throws CORRUPTION */
export async function* takeSnapshotEntries(reader: PieceReader): AsyncGenerator<readonly [Uint8Array, Uint8Array]> {
  while ((await reader.choice(2)) === ENTRY) {
    const key = await reader.blob(MAX_KEY_BYTES)
    // What no node lets in would not go into the store, and all replicas would end.
    if (key.length === 0) throw reader.corrupt('has a key of no bytes')
    yield [key, await reader.blob(MAX_VALUE_BYTES)]
  }
  await reader.end()
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

function takeMember(reader: ByteReader): MemberRecord {
  return { id: reader.u53(), joinId: reader.text(MAX_JOIN_ID_BYTES), hasLeft: reader.flag() }
}
