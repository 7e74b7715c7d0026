// What reads what leader-follower replication keeps and sends, given bytes that no node writes.
import { isCode } from '../../../ts/base/errors.ts'
import { PieceReader } from '../../../ts/distributed/raft/index.ts'
import { decodeSession, encodeSession } from '../../../ts/distributed/replication/index.ts'
import { readClusterFile, writeClusterFile } from '../../../ts/distributed/replication/server/cluster-file.ts'
import {
  decodeCommand,
  encodeMember,
  encodeSnapshot,
  encodeWrites,
  takeSnapshotEntries,
  takeSnapshotHead,
} from '../../../ts/distributed/replication/server/command.ts'
import type { Random } from '../../../ts/io/random.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { must } from '../btree-crash/expectation.ts'
import { below, pick } from '../btree-crash/workload.ts'
import { mutateJson } from './json.ts'
import { mutate } from './mutate.ts'

const JOIN_ID = '5f0e61c2a94b7d83'
const MEMBER = { id: 7, joinId: JOIN_ID, hasLeft: true }
const key = (length: number): Uint8Array => new Uint8Array(length).fill(107)
const PUT = { key: key(5), value: Uint8Array.of(0, 255) }
const DELETE = { key: key(9), value: undefined }
const COMMANDS = [
  encodeWrites([PUT]),
  encodeWrites([DELETE]),
  encodeWrites([PUT, DELETE, { key: key(1024), value: new Uint8Array(0) }]),
  encodeMember(MEMBER),
]
const SNAPSHOT = Buffer.concat([
  ...encodeSnapshot({ index: 2 ** 40, members: [MEMBER, { ...MEMBER, id: 8 }] }, [
    [key(1), key(3)],
    [key(20), key(0)],
  ]),
])
const CLUSTER = {
  ...{ version: 1, cluster: JOIN_ID, node: 2, joinId: JOIN_ID, mode: 'semi-sync', state: 'member' },
  founders: { 1: { host: 'localhost', port: 8001 }, 2: { host: '::1', port: 8002 } },
}

/** What a command says could have been said by a node: the B-tree below takes it. */
export function fuzzReplicatedCommand(random: Random): void {
  const command = decodeCommand(mutate(pick(random, COMMANDS), random))
  if (command.kind === 'member') encodeMember(command.member)
  else if (command.writes.count > 0) encodeWrites([...command.writes])
}

export async function fuzzReplicatedSnapshot(random: Random): Promise<void> {
  const { head, entries } = await readSnapshot(mutate(SNAPSHOT, random), 1 + below(random, 40))
  const again = await readSnapshot(Buffer.concat([...encodeSnapshot(head, entries)]), 1000)
  must(again.entries.length === entries.length, 'a snapshot that changes')
  for (const [key, value] of entries) encodeWrites([{ key, value }])
}

/** Takes a snapshot that comes in pieces of so many bytes. */
async function readSnapshot(bytes: Uint8Array, pieceBytes: number) {
  const reader = new PieceReader(inPieces(bytes, pieceBytes), 'snapshot')
  const head = await takeSnapshotHead(reader)
  const entries: (readonly [Uint8Array, Uint8Array])[] = []
  for await (const entry of takeSnapshotEntries(reader)) entries.push(entry)
  return { head, entries }
}

async function* inPieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
}

export async function fuzzClusterFile(random: Random): Promise<void> {
  const disk = new SimulatedDisk()
  const text = JSON.stringify(random.next() < 0.7 ? mutateJson(CLUSTER, random) : CLUSTER)
  const bytes = random.next() < 0.6 ? Buffer.from(text) : mutate(Buffer.from(text), random)
  disk.mkdir('/node')
  const file = disk.open('/node/cluster', 'create')
  file.write(bytes, 0)
  file.close()
  try {
    const content = readClusterFile(disk, '/node')
    if (content !== undefined) await writeClusterFile(disk, '/node', content)
  } finally {
    must(disk.openHandles === 0, 'files were left open')
  }
}

export function fuzzSession(random: Random): void {
  const valid = encodeSession({ term: below(random, 1000), index: below(random, 2 ** 52) })
  const text = Buffer.from(mutate(Buffer.from(valid), random)).toString('latin1')
  try {
    const { term, index } = decodeSession(text)
    must(term >= 0 && index >= 0, 'a position below the first one')
    must(encodeSession({ term, index }) === text, 'two texts for one position')
  } catch (error) {
    if (!isCode(error, 'INVALID_INPUT')) throw error
  }
}
