// Who may do what a request asks for. Asked twice of a change: where it comes in, so that what is refused never gets into the log,
// and where it is applied, as only there it is certain which keys a lease holds.
import type { DeleteRangeRequest, TxnRequest } from '../../../wire/etcd/messages.ts'
import type { Command } from '../command.ts'
import type { Leases } from '../leases.ts'
import { spanOf } from '../mvcc/key-index.ts'
import type { Users } from './users.ts'

/** What it depends on. */
interface Guarded {
  readonly users: Users
  readonly leases: Leases
}

/** The name of who asks; undefined without a token. */
type User = string | undefined

/** @throws Refusal */
export function requireRead({ users }: Guarded, user: User, range: { key: string; rangeEnd: string }): void {
  users.require(user, spanOf(range.key, range.rangeEnd), 'read')
}

/** Whoever changes what a lease holds must be allowed to change all of it. @throws Refusal */
function requireLease({ users, leases }: Guarded, user: User, lease: bigint): void {
  if (lease === 0n || !users.isEnabled) return
  for (const key of leases.get(lease)?.keys ?? []) users.require(user, { key, end: 'one' }, 'write')
}

/** @throws Refusal */
function requirePut(of: Guarded, user: User, put: { key: string; lease: bigint; prevKv: boolean }): void {
  const span = { key: put.key, end: 'one' } as const
  of.users.require(user, span, 'write')
  if (put.prevKv) of.users.require(user, span, 'read')
  requireLease(of, user, put.lease)
}

/** Refuses what somebody may not do with keys and leases; of other commands the services ask. @throws Refusal */
export function requireCommand(of: Guarded, user: User, { put, deleteRange, txn, revoke }: Command): void {
  if (!of.users.isEnabled) return
  if (put !== undefined) requirePut(of, user, put)
  if (deleteRange !== undefined) requireDelete(of, user, deleteRange)
  if (txn !== undefined) requireTxn(of, user, txn)
  if (revoke !== undefined) requireLease(of, user, revoke.id)
}

function requireDelete({ users }: Guarded, user: User, request: DeleteRangeRequest): void {
  const span = spanOf(request.key, request.rangeEnd)
  users.require(user, span, 'write')
  if (request.prevKv) users.require(user, span, 'read')
}

function requireTxn(of: Guarded, user: User, { compare, success, failure }: TxnRequest): void {
  for (const compared of compare) requireRead(of, user, compared)
  for (const { range, ...op } of [...success, ...failure]) {
    if (range !== undefined) requireRead(of, user, range)
    requireCommand(of, user, op)
  }
}
