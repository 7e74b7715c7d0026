// The state of the lock service: what commands change and reads show. Pure: no clock, no chance, no waiting. Replicas that
// apply equal commands in equal order are equal, down to the results and the bytes they keep.
import { BedplateError } from '../../base/errors.ts'
import { lacks } from '../../storage/mutant.ts'
import { ALARM, type RangeResponse, type ResponseOp } from '../../wire/etcd/messages.ts'
import { requireCommand } from './auth/checks.ts'
import { Users } from './auth/users.ts'
import { type Command, MemberRecord, type Result } from './command.ts'
import { refusal } from './errors.ts'
import { Leases, leaseWrite } from './leases.ts'
import type { Mutant } from './mutant.ts'
import type { Backend, Write } from './mvcc/backend.ts'
import { spanOf } from './mvcc/key-index.ts'
import { checkRange, readRange, revisionOf } from './mvcc/range.ts'
import { MvccStore, type Reader, type WriteTransaction } from './mvcc/store.ts'
import { branchOf, checkTxn, decide } from './mvcc/txn.ts'
import type { DeleteRangeRequest, Event, PutRequest, RangeRequest, RequestOp, TxnRequest } from './types.ts'

/** What a command did. */
export interface Applied {
  readonly result: Result
  /** What happened to keys, all at the main revision of the result. */
  readonly events: readonly Event[]
  /** When it is durable. */
  readonly written: Promise<void>
}

export interface StateOptions {
  readonly backend: Backend
  readonly maxTxnOps: number
  /** Every replica has to have the same. */
  readonly quotaBytes: number
  readonly mutant?: Mutant | undefined
}

const ALARMS = Buffer.from('alarms')
const NO_VALUE = new Uint8Array(0)
const NO_RESULT = { put: undefined, deleteRange: undefined, txn: undefined, grant: undefined }

/** Keys, leases, users and alarms. */
export class LocksState {
  readonly store: MvccStore
  readonly leases: Leases
  readonly users: Users
  readonly #options: StateOptions
  readonly #members = new Map<bigint, MemberRecord>()
  #alarms: Set<number>

  /** Reads what the backend has. @throws CORRUPTION */
  constructor(options: StateOptions) {
    const { backend } = options
    this.#options = options
    this.store = new MvccStore(backend)
    this.leases = new Leases(backend)
    this.users = new Users(backend)
    this.#alarms = new Set(backend.get('meta', ALARMS) ?? [])
    for (const [, record] of backend.scan('members', NO_VALUE)) this.#keepMember(MemberRecord.decode(record))
    for (const [key, change] of this.store.walk({ key: '', end: 'all' }, this.store.revision)) {
      this.leases.attach(key, this.store.load(change).lease)
    }
  }

  /** The alarms that are on, as etcd numbers them. */
  get alarms(): ReadonlySet<number> {
    return this.#alarms
  }

  /** What members have said of themselves, by id; of a state that is not replicated, nothing. */
  get members(): ReadonlyMap<bigint, MemberRecord> {
    return this.#members
  }

  /**
   * Applies a command.
   * @param term - Of the leader that took it; 0 if there are no leaders.
   * @throws Refusal, the same on every replica; nothing has changed but, when space runs out, the alarm about it. Whatever
   *   else it throws, nothing has changed, and this replica must not go on without that command.
   */
  apply(command: Command, term = 0): Applied {
    const { put, deleteRange, txn, compact, grant, revoke, alarm, auth, member, newMember } = command
    this.#checkAuth(command)
    if (put !== undefined) return this.#applyTxn({ compare: [], success: [opOf({ put })], failure: [] }, 'put')
    if (deleteRange !== undefined) {
      return this.#applyTxn({ compare: [], success: [opOf({ deleteRange })], failure: [] }, 'deleteRange')
    }
    if (txn !== undefined) return this.#applyTxn(txn, 'txn')
    if (compact !== undefined) return this.#unchanged(this.store.compact(compact.revision))
    if (grant !== undefined) return this.#grant(grant.id, grant.ttlSeconds)
    if (revoke !== undefined) {
      const { id, term: decidedIn = 0 } = revoke
      // Whoever led before does not know who was kept alive since.
      if (decidedIn !== 0 && decidedIn !== term && !lacks(this.#options.mutant, 'expiry is of its term')) {
        throw refusal('notLeader')
      }
      return this.#revoke(id)
    }
    if (alarm !== undefined) return this.#unchanged(this.#setAlarm(alarm.alarm, alarm.isOn))
    if (auth !== undefined) {
      const { writes, keep } = this.users.change(auth)
      const written = this.#options.backend.write(writes)
      keep()
      return this.#unchanged(written)
    }
    if (newMember !== undefined) {
      if (this.#members.has(newMember.id)) throw refusal('memberExists')
      return this.#saveMember(newMember)
    }
    if (member !== undefined) {
      // What a member says of itself: it may not know yet whether it is to vote.
      const wantsVote = this.#members.get(member.id)?.wantsVote ?? member.wantsVote
      return this.#saveMember({ ...member, wantsVote })
    }
    // A token is worth something as long as whoever was told of it runs: nothing is kept.
    if (command.login !== undefined) return this.#unchanged(Promise.resolve())
    throw new BedplateError('CORRUPTION', 'a command that does nothing')
  }

  /** Reads a span of keys. @throws Refusal */
  range(request: RangeRequest): RangeResponse {
    checkRange(request)
    return this.#range(this.store, request)
  }

  /** True if a transaction only reads, whatever way it takes. */
  isReadOnly({ success, failure }: TxnRequest): boolean {
    return [...success, ...failure].every(
      (op) => op.range !== undefined || (op.txn !== undefined && this.isReadOnly(op.txn)),
    )
  }

  #range(reader: Reader, request: RangeRequest): RangeResponse {
    const { kvs, more, count } = readRange(reader, request)
    return { header: headerOf(reader.revision), kvs, more, count }
  }

  #applyTxn(request: TxnRequest, kind: 'put' | 'deleteRange' | 'txn'): Applied {
    checkTxn(request, this.#options.maxTxnOps)
    const decisions = decide(this.store, request)
    this.#checkOps(request, [...decisions])
    this.#checkSpace(request)
    const transaction = this.store.begin()
    let responses: readonly ResponseOp[]
    try {
      responses = this.#run(transaction, request, [...decisions])
    } catch (error) {
      transaction.rollBack()
      throw error
    }
    const { revision, events } = transaction
    const written = events.length === 0 ? this.#options.backend.flushed() : transaction.commit()
    this.leases.follow(events)
    const result = { ...NO_RESULT, revision }
    if (kind === 'txn') {
      const txn = { header: headerOf(revision), succeeded: decisions[0] as boolean, responses }
      return { result: { ...result, txn }, events, written }
    }
    return { result: { ...result, ...responses[0] } as Result, events, written }
  }

  /** Refuses what fails because of the state as it is before the transaction. @param decisions - Used up. */
  #checkOps(request: TxnRequest, decisions: boolean[]): void {
    for (const { range, put, txn } of branchOf(request, decisions.shift() as boolean)) {
      if (range !== undefined) revisionOf(this.store, range.revision)
      if (put !== undefined) this.#checkPut(put)
      if (txn !== undefined) this.#checkOps(txn, decisions)
    }
  }

  #checkPut({ key, lease, ignoreValue, ignoreLease }: PutRequest): void {
    if ((ignoreValue || ignoreLease) && this.store.find(key, this.store.revision) === undefined) {
      throw refusal('keyNotFound')
    }
    if (lease !== 0n && this.leases.get(lease) === undefined) throw refusal('leaseNotFound')
  }

  #run(transaction: WriteTransaction, request: TxnRequest, decisions: boolean[]): ResponseOp[] {
    const responses: ResponseOp[] = []
    const succeeded = decisions.shift() as boolean
    for (const { range, put, deleteRange, txn } of branchOf(request, succeeded)) {
      if (range !== undefined) responses.push({ range: this.#range(transaction, range) })
      if (put !== undefined) responses.push({ put: this.#put(transaction, put) })
      if (deleteRange !== undefined) responses.push({ deleteRange: this.#delete(transaction, deleteRange) })
      if (txn !== undefined) {
        const inner = decisions[0] as boolean
        const found = this.#run(transaction, txn, decisions)
        responses.push({ txn: { header: headerOf(transaction.revision), succeeded: inner, responses: found } })
      }
    }
    return responses
  }

  #put(transaction: WriteTransaction, request: PutRequest) {
    const { key, value, lease, prevKv, ignoreValue, ignoreLease } = request
    const now = ignoreValue || ignoreLease ? transaction.get(key) : undefined
    const before = transaction.put(
      key,
      ignoreValue ? (now?.value ?? NO_VALUE) : value,
      ignoreLease ? (now?.lease ?? 0n) : lease,
    )
    return { header: headerOf(transaction.revision), prevKv: prevKv ? before : undefined }
  }

  #delete(transaction: WriteTransaction, { key, rangeEnd, prevKv }: DeleteRangeRequest) {
    const found = transaction.delete(spanOf(key, rangeEnd))
    return { header: headerOf(transaction.revision), deleted: found.length, prevKvs: prevKv ? found : [] }
  }

  /** Refuses what would need more space than there is, and remembers that it did. */
  #checkSpace(request: TxnRequest): void {
    const bytes = putBytes(request)
    if (bytes === 0) return
    if (!this.#alarms.has(ALARM.noSpace)) {
      if (this.store.keptBytes + bytes <= this.#options.quotaBytes) return
      // Whoever waits for it has the next command that is written to wait for.
      this.#setAlarm(ALARM.noSpace, true).catch(() => {})
    }
    throw refusal('noSpace')
  }

  #setAlarm(alarm: number, isOn: boolean): Promise<void> {
    const alarms = new Set(this.#alarms)
    if (isOn) alarms.add(alarm)
    else alarms.delete(alarm)
    const written = this.#options.backend.write([
      { bucket: 'meta', key: ALARMS, value: Uint8Array.from([...alarms].sort()) },
    ])
    this.#alarms = alarms
    return written
  }

  #grant(id: bigint, asked: number): Applied {
    if (this.#alarms.has(ALARM.noSpace)) throw refusal('noSpace')
    const ttlSeconds = this.leases.checkGrant(id, asked)
    const written = this.#options.backend.write([leaseWrite(id, ttlSeconds)])
    this.leases.add(id, ttlSeconds)
    const result = { ...NO_RESULT, revision: this.store.revision, grant: { id, ttlSeconds } }
    return { result, events: [], written }
  }

  #revoke(id: bigint): Applied {
    const lease = this.leases.get(id)
    if (lease === undefined) throw refusal('leaseNotFound')
    const end: Write[] = [leaseWrite(id, undefined)]
    const transaction = this.store.begin()
    // In the order of the keys: that of a set depends on what was attached when, and not on what there is.
    for (const key of [...lease.keys].sort()) transaction.delete({ key, end: 'one' })
    const { revision, events } = transaction
    const written = events.length === 0 ? this.#options.backend.write(end) : transaction.commit(end)
    this.leases.follow(events)
    this.leases.remove(id)
    return { result: { ...NO_RESULT, revision }, events, written }
  }

  /** Refuses what was let through by rules, or for leases, that have changed since. Ends of leases are nobody's. */
  #checkAuth(command: Command): void {
    const { authRevision = 0, revoke, from } = command
    const { isEnabled, revision } = this.users
    const isOld = isEnabled && authRevision !== 0 && authRevision !== revision && !revoke?.term
    if (isOld && !lacks(this.#options.mutant, 'permissions as of now')) throw refusal('oldAuthRevision')
    if (from !== undefined) requireCommand(this, from.user === '' ? undefined : from.user, command)
  }

  #saveMember(record: MemberRecord): Applied {
    const written = this.#options.backend.write([memberWrite(record)])
    this.#keepMember(record)
    return this.#unchanged(written)
  }

  #keepMember(record: MemberRecord): void {
    this.#members.set(record.id, record)
  }

  #unchanged(written: Promise<void>): Applied {
    return { result: { ...NO_RESULT, revision: this.store.revision }, events: [], written }
  }
}

function memberWrite(record: MemberRecord): Write {
  const key = Buffer.allocUnsafe(8)
  key.writeBigUInt64BE(record.id)
  return { bucket: 'members', key, value: MemberRecord.encode(record) }
}

function headerOf(revision: number) {
  return { clusterId: 0n, memberId: 0n, revision, raftTerm: 0 }
}

function opOf(op: Partial<RequestOp>): RequestOp {
  return { range: undefined, put: undefined, deleteRange: undefined, txn: undefined, ...op }
}

/** What the puts of a transaction may need, whatever way it takes. */
function putBytes({ success, failure }: TxnRequest): number {
  let sum = 0
  for (const { put, txn } of [...success, ...failure]) {
    if (put !== undefined) sum += put.key.length + put.value.length
    if (txn !== undefined) sum += putBytes(txn)
  }
  return sum
}
