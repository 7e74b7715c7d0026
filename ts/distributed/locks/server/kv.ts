// The service KV: reads, changes, transactions, compaction.
import {
  CompactionRequest,
  DeleteRangeRequest,
  DeleteRangeResponse,
  HeaderResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  TxnRequest,
  TxnResponse,
} from '../../../wire/etcd/messages.ts'
import { spanOf } from '../mvcc/key-index.ts'
import type { ServingNode } from '../serving.ts'
import { headerFor, type Methods, type ServiceContext, unary } from './service.ts'

/** The methods of etcdserverpb.KV. */
export function kvMethods(context: ServiceContext): Methods {
  const { node } = context
  return [
    unary(
      context,
      '/etcdserverpb.KV/Range',
      { request: RangeRequest, response: RangeResponse },
      async (request, { user }) => {
        const found = await node.read(
          (state) => {
            requireRead(node, user, request)
            return state.range(request)
          },
          { isSerializable: request.serializable },
        )
        return { ...found, header: headerFor(context, found.header?.revision) }
      },
    ),
    unary(context, '/etcdserverpb.KV/Put', { request: PutRequest, response: PutResponse }, async (put, { user }) => {
      requirePut(node, user, put)
      const result = await node.execute({ put })
      return { prevKv: result.put?.prevKv, header: headerFor(context, result.revision) }
    }),
    unary(
      context,
      '/etcdserverpb.KV/DeleteRange',
      { request: DeleteRangeRequest, response: DeleteRangeResponse },
      async (deleteRange, { user }) => {
        requireDelete(node, user, deleteRange)
        const result = await node.execute({ deleteRange })
        return { ...result.deleteRange, header: headerFor(context, result.revision) }
      },
    ),
    unary(context, '/etcdserverpb.KV/Txn', { request: TxnRequest, response: TxnResponse }, async (txn, { user }) => {
      requireTxn(node, user, txn)
      const result = await node.execute({ txn })
      return { ...result.txn, header: headerFor(context, result.revision) }
    }),
    unary(
      context,
      '/etcdserverpb.KV/Compact',
      { request: CompactionRequest, response: HeaderResponse },
      async (compact, { user }) => {
        node.state.users.requireRoot(user)
        const { revision } = await node.execute({ compact })
        return { header: headerFor(context, revision) }
      },
    ),
  ]
}

type User = string | undefined

/** @throws Refusal */
export function requireRead({ state }: ServingNode, user: User, range: { key: string; rangeEnd: string }): void {
  state.users.require(user, spanOf(range.key, range.rangeEnd), 'read')
}

/** Whoever changes what a lease holds must be allowed to change all of it. @throws Refusal */
export function requireLease({ state }: ServingNode, user: User, lease: bigint): void {
  if (lease === 0n || !state.users.isEnabled) return
  for (const key of state.leases.get(lease)?.keys ?? []) state.users.require(user, { key, end: 'one' }, 'write')
}

/** @throws Refusal */
export function requirePut(node: ServingNode, user: User, put: { key: string; lease: bigint; prevKv: boolean }): void {
  const span = { key: put.key, end: 'one' } as const
  node.state.users.require(user, span, 'write')
  if (put.prevKv) node.state.users.require(user, span, 'read')
  requireLease(node, user, put.lease)
}

function requireDelete({ state }: ServingNode, user: User, request: DeleteRangeRequest): void {
  const span = spanOf(request.key, request.rangeEnd)
  state.users.require(user, span, 'write')
  if (request.prevKv) state.users.require(user, span, 'read')
}

function requireTxn(node: ServingNode, user: User, { compare, success, failure }: TxnRequest): void {
  if (!node.state.users.isEnabled) return
  for (const compared of compare) requireRead(node, user, compared)
  for (const { range, put, deleteRange, txn } of [...success, ...failure]) {
    if (range !== undefined) requireRead(node, user, range)
    if (put !== undefined) requirePut(node, user, put)
    if (deleteRange !== undefined) requireDelete(node, user, deleteRange)
    if (txn !== undefined) requireTxn(node, user, txn)
  }
}
