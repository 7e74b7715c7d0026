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
import { requireRead } from '../auth/checks.ts'
import { executeFor, headerFor, type Methods, type ServiceContext, unary } from './service.ts'

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
            requireRead(state, user, request)
            return state.range(request)
          },
          { isSerializable: request.serializable },
        )
        return { ...found, header: headerFor(context, found.header?.revision) }
      },
    ),
    unary(context, '/etcdserverpb.KV/Put', { request: PutRequest, response: PutResponse }, async (put, { user }) => {
      const result = await executeFor(node, user, { put })
      return { prevKv: result.put?.prevKv, header: headerFor(context, result.revision) }
    }),
    unary(
      context,
      '/etcdserverpb.KV/DeleteRange',
      { request: DeleteRangeRequest, response: DeleteRangeResponse },
      async (deleteRange, { user }) => {
        const result = await executeFor(node, user, { deleteRange })
        return { ...result.deleteRange, header: headerFor(context, result.revision) }
      },
    ),
    unary(context, '/etcdserverpb.KV/Txn', { request: TxnRequest, response: TxnResponse }, async (txn, { user }) => {
      const result = await executeFor(node, user, { txn })
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
