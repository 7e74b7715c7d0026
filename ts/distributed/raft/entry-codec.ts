// Entries, memberships and the description of a snapshot as bytes, in records of the journal and in messages alike.
//
//   entry       u53 index | u53 term | u8 kind: 0 command, 1 empty, 2 membership | of a command: u32 length, bytes
//   membership  three lists: voters, outgoing, learners; each u32 count, then u53 each
//   snapshot    u53 index | u53 term | membership | u53 sizeBytes
import type { ByteReader, ByteWriter } from '../../base/binary.ts'
import { isPossible } from './membership.ts'
import { type Entry, MAX_MEMBERS, type Membership, type NodeId, type SnapshotMeta } from './types.ts'

/** A command in a message or a record has at most so many bytes, whatever a node is told to accept. */
export const LARGEST_COMMAND_BYTES: number = 64 * 1024 * 1024

const ENTRY_MIN_BYTES = 17
/** Of one with a command, beside that. */
const ENTRY_BYTES = 21
const KINDS = ['command', 'empty', 'membership'] as const

/** About what they take as bytes. */
export function entriesSize(entries: readonly Entry[]): number {
  let bytes = 0
  for (const entry of entries) bytes += ENTRY_BYTES + (entry.kind === 'command' ? entry.command.length : 0)
  return bytes
}

export function putEntries(writer: ByteWriter, entries: readonly Entry[]): void {
  writer.list(entries, (entry) => {
    writer.u53(entry.index).u53(entry.term).u8(KINDS.indexOf(entry.kind))
    if (entry.kind === 'command') writer.blob(entry.command)
    if (entry.kind === 'membership') putMembership(writer, entry.membership)
  })
}

/** Commands are views of the bytes. @throws CORRUPTION */
export function takeEntries(reader: ByteReader): Entry[] {
  return reader.list({ most: Number.POSITIVE_INFINITY, itemBytes: ENTRY_MIN_BYTES }, () => {
    const index = reader.u53()
    const term = reader.u53()
    const kind = KINDS[reader.choice(KINDS.length)]
    if (kind === 'command') return { index, term, kind, command: reader.blob(LARGEST_COMMAND_BYTES) }
    if (kind === 'membership') return { index, term, kind, membership: takeMembership(reader) }
    return { index, term, kind: 'empty' }
  })
}

export function putSnapshotMeta(writer: ByteWriter, { index, term, membership, sizeBytes }: SnapshotMeta): void {
  writer.u53(index).u53(term)
  putMembership(writer, membership)
  writer.u53(sizeBytes)
}

/** @throws CORRUPTION */
export function takeSnapshotMeta(reader: ByteReader): SnapshotMeta {
  return { index: reader.u53(), term: reader.u53(), membership: takeMembership(reader), sizeBytes: reader.u53() }
}

function putMembership(writer: ByteWriter, { voters, outgoing, learners }: Membership): void {
  for (const ids of [voters, outgoing, learners]) writer.list(ids, (id) => writer.u53(id))
}

function takeMembership(reader: ByteReader): Membership {
  const ids = (): NodeId[] => reader.list({ most: MAX_MEMBERS, itemBytes: 8 }, () => reader.u53())
  const membership = { voters: ids(), outgoing: ids(), learners: ids() }
  if (!isPossible(membership)) throw reader.corrupt('has a membership that cannot be')
  return membership
}
