// The entries of a replica in a B-tree, and beside them how far in the log it is: both are written in one batch, so whatever a
// crash takes back, the two agree, and what was executed is not executed again.
//
//   tree `data`, or `data.2`   the keys and values of users; the other one is empty, or a snapshot that is coming in
//   tree `members`             id, u53 LE -> join id and whether it has left, as in a command
//   tree `local`               applied: u53 LE, the last entry that was executed; data: which of the two trees it is
//
// What is applied in one turn of the event loop becomes one batch. The store writes when it likes: what it loses, the log has.
import { ByteReader, ByteWriter } from '../../../base/binary.ts'
import { assert, BedplateError } from '../../../base/errors.ts'
import { type BTreeTree, openBTree } from '../../../storage/btree/index.ts'
import { BTreeHandle } from '../../../storage/btree/store.ts'
import { PackedOperations } from '../../../storage/ordered/packed-operations.ts'
import type { NodeId } from '../../raft/index.ts'
import type { MemberRecord, SnapshotHead } from './command.ts'
import { decodeCommand, encodeMember } from './command.ts'
import type { WriteList } from './write-list.ts'

const BYTES = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
const APPLIED = Buffer.from('applied')
const CURRENT = Buffer.from('data')
/** One of them has the data. */
const DATA_TREES = ['data', 'data.2'] as const
/** A snapshot is taken over in batches of about so much. */
const BATCH_BYTES = 1024 * 1024
/** So many of them are under way before the disk has to have them. */
const BATCHES_A_FLUSH = 4

/** What operations are packed for, in the order of `#flush`. */
const DATA = 0
const MEMBERS = 1
const LOCAL = 2
/** One huge batch is no reason to keep its memory. */
const KEPT_BYTES = 1024 * 1024

type Tree = BTreeTree<Uint8Array, Uint8Array>
type Operation = Parameters<Tree['batch']>[0][number]

/** All that was executed up to an entry, whatever is executed later. Close it: it takes room on disk until then. */
interface Frozen extends SnapshotHead {
  readonly entries: Iterable<readonly [Uint8Array, Uint8Array]>
  close(): void
}

/** A range of keys: at most one lower bound and one upper one, or a prefix. */
export interface KeyRange {
  readonly gt?: Uint8Array
  readonly gte?: Uint8Array
  readonly lt?: Uint8Array
  readonly lte?: Uint8Array
  readonly prefix?: Uint8Array
}

/** What a replica has on disk. Made by `openRecords`. */
export class Records {
  readonly #store: BTreeHandle<Uint8Array, Uint8Array>
  readonly #local: Tree
  #data: Tree
  readonly #members = new Map<NodeId, MemberRecord>()
  readonly #failed: (error: unknown) => void
  readonly #unwritten = new PackedOperations(Buffer.allocUnsafeSlow(KEPT_BYTES / 16))
  #isWritePlanned = false
  #appliedIndex = 0
  /** A snapshot that has come in, beside what is there. */
  #taken: SnapshotHead | undefined

  constructor(store: BTreeHandle<Uint8Array, Uint8Array>, failed: (error: unknown) => void) {
    this.#store = store
    this.#local = store.tree<Uint8Array, Uint8Array>('local', BYTES)
    const current = this.#local.get(CURRENT)
    this.#data = store.tree<Uint8Array, Uint8Array>(
      current === undefined ? DATA_TREES[0] : Buffer.from(current).toString(),
      BYTES,
    )
    this.#failed = failed
    this.#dropSpare() // half a snapshot, or what one has replaced
    const applied = this.#local.get(APPLIED)
    this.#appliedIndex = applied === undefined ? 0 : new ByteReader(applied, 'index').u53()
    for (const [, bytes] of store.tree<Uint8Array, Uint8Array>('members', BYTES).range()) {
      const command = decodeCommand(bytes)
      if (command.kind !== 'member') throw new BedplateError('CORRUPTION', `${store.path} has no member where one is`)
      this.#members.set(command.member.id, command.member)
    }
  }

  /** The last entry that was executed here; 0 if there was none. */
  get appliedIndex(): number {
    return this.#appliedIndex
  }

  get members(): ReadonlyMap<NodeId, MemberRecord> {
    return this.#members
  }

  get sizeBytes(): number {
    const { dataFileBytes, log } = this.#store.stats()
    return dataFileBytes + log.segmentBytes
  }

  get keyCount(): number {
    this.#flush()
    return this.#data.keyCount
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#flush()
    return this.#data.get(key)
  }

  has(key: Uint8Array): boolean {
    this.#flush()
    return this.#data.has(key)
  }

  range(range: KeyRange): Iterable<readonly [Uint8Array, Uint8Array]> {
    this.#flush()
    return this.#data.range(range)
  }

  /** Executes the writes of an entry. They are seen at once. */
  write(index: number, writes: WriteList): void {
    this.#enter(index)
    const unwritten = this.#unwritten
    const { bytes } = writes
    writes.visit((isDelete, keyAt, keyBytes, valueAt, valueBytes) => {
      if (isDelete) unwritten.delete(DATA, bytes, keyAt, keyBytes)
      else unwritten.put(DATA, bytes, keyAt, keyBytes, valueAt, valueBytes)
    })
  }

  /** Keeps what is known of a node. The first directory that comes with an id has it for good. */
  putMember(index: number, member: MemberRecord): void {
    this.#enter(index)
    const known = this.#members.get(member.id)
    if (known !== undefined && known.joinId !== member.joinId) return
    this.#members.set(member.id, member)
    const { key, value } = memberPut(member)
    this.#unwritten.putPair(MEMBERS, key, value)
  }

  freeze(): Frozen {
    this.#flush()
    const snapshot = this.#store.snapshot()
    return {
      ...{ index: this.#appliedIndex, members: [...this.#members.values()] },
      entries: snapshot.tree<Uint8Array, Uint8Array>(this.#data.name, BYTES).range(),
      close: () => snapshot.close(),
    }
  }

  /** Takes in all of another replica, beside what is here. @throws what `entries` throws, and the store */
  async take(entries: AsyncIterable<readonly [Uint8Array, Uint8Array]>, head: SnapshotHead): Promise<void> {
    this.#taken = undefined
    await this.#dropSpare()
    const tree = this.#spareName
    let batch: Operation[] = []
    let bytes = 0
    let batches = 0
    for await (const [key, value] of entries) {
      batch.push({ type: 'put', key, value, tree })
      bytes += key.length + value.length
      if (bytes < BATCH_BYTES) continue
      await this.#store.batch(batch)
      if (++batches % BATCHES_A_FLUSH === 0) await this.#store.flushed() // memory is for a few batches
      batch = []
      bytes = 0
    }
    await this.#store.batch(batch)
    this.#taken = head
  }

  /** What was taken in is what is here, from now on and after every crash. Without anything it does nothing. */
  adopt(): void {
    const taken = this.#taken
    if (taken === undefined) return
    this.#taken = undefined
    this.#flush()
    const { index, members } = taken
    const name = this.#spareName
    this.#members.clear()
    for (const member of members) this.#members.set(member.id, member)
    // Nodes are never forgotten, so those of the snapshot are all there are.
    const put: Operation = { type: 'put', key: CURRENT, value: Buffer.from(name), tree: 'local' }
    this.#send([...members.map(memberPut), put, appliedPut(index)])
    this.#appliedIndex = index
    this.#data = this.#store.tree<Uint8Array, Uint8Array>(name, BYTES)
    this.#dropSpare()
  }

  async close(): Promise<void> {
    this.#flush()
    await this.#store.close()
  }

  #enter(index: number): void {
    this.#appliedIndex = index
    if (this.#isWritePlanned) return
    this.#isWritePlanned = true
    queueMicrotask(() => this.#flush())
  }

  #flush(): void {
    if (!this.#isWritePlanned) return
    this.#isWritePlanned = false
    const unwritten = this.#unwritten
    const { key, value } = appliedPut(this.#appliedIndex)
    unwritten.putPair(LOCAL, key, value)
    this.#attempt(() => this.#store.applyPacked([this.#data.name, 'members', 'local'], unwritten))
    unwritten.restart(KEPT_BYTES)
  }

  get #spareName(): string {
    return this.#data.name === DATA_TREES[0] ? DATA_TREES[1] : DATA_TREES[0]
  }

  #dropSpare(): Promise<void> {
    const name = this.#spareName
    const dropped = this.#store.treeNames().includes(name) ? this.#store.dropTree(name) : Promise.resolve()
    dropped.catch(this.#failed)
    return dropped
  }

  #send(operations: readonly Operation[]): void {
    this.#attempt(() => this.#store.batch(operations))
  }

  #attempt(write: () => Promise<void>): void {
    try {
      write().catch(this.#failed)
    } catch (error) {
      this.#failed(error)
      throw error
    }
  }
}

/**
 * Opens the records in the directory `path`, which is made if it is not there.
 * @param failed - Is told of writes that could not be made.
 * @throws LOCKED, CORRUPTION, INCOMPATIBLE, PERMISSION, DISK_FULL, IO
 */
export async function openRecords(path: string, failed: (error: unknown) => void): Promise<Records> {
  const store = await openBTree<Uint8Array, Uint8Array>(path, { create: true, durability: 'memory', ...BYTES })
  try {
    assert(store instanceof BTreeHandle, 'a store is a handle on one of the two engines')
    return new Records(store, failed)
  } catch (error) {
    await store.close()
    throw error
  }
}

function memberPut(member: MemberRecord): Operation & { readonly type: 'put' } {
  return { type: 'put', key: new ByteWriter().u53(member.id).finish(), value: encodeMember(member), tree: 'members' }
}

function appliedPut(index: number): Operation & { readonly type: 'put' } {
  return { type: 'put', key: APPLIED, value: new ByteWriter().u53(index).finish(), tree: 'local' }
}
