// States of the lock service for tests, and short ways to write requests.
import type { Command } from '../../ts/distributed/locks/command.ts'
import { type Backend, MemoryBackend } from '../../ts/distributed/locks/mvcc/backend.ts'
import { LocksState } from '../../ts/distributed/locks/state.ts'
import type { KeyValue, RangeRequest } from '../../ts/distributed/locks/types.ts'
import {
  DeleteRangeRequest,
  PutRequest,
  RangeRequest as RangeMessage,
  TxnRequest,
  type TxnRequestInput,
} from '../../ts/wire/etcd/messages.ts'

type InputOf<C extends { encode(input: never): unknown }> = Parameters<C['encode']>[0]

/** Requests with their defaults, as they come out of the wire. */
export const put = (key: string, value: string, more: InputOf<typeof PutRequest> = {}): Command => ({
  put: PutRequest.decode(PutRequest.encode({ key, value: Buffer.from(value), ...more })),
})
export const remove = (key: string, rangeEnd = ''): Command => ({
  deleteRange: DeleteRangeRequest.decode(DeleteRangeRequest.encode({ key, rangeEnd, prevKv: true })),
})
export const txn = (request: TxnRequestInput): Command => ({ txn: TxnRequest.decode(TxnRequest.encode(request)) })
export const compact = (revision: number): Command => ({ compact: { revision, physical: false } })
export const range = (key: string, more: InputOf<typeof RangeMessage> = {}): RangeRequest =>
  RangeMessage.decode(RangeMessage.encode({ key, ...more }))

export function openState(options: { backend?: Backend; quotaBytes?: number } = {}): LocksState {
  const { backend = new MemoryBackend(), quotaBytes = 1e9 } = options
  return new LocksState({ backend, quotaBytes, maxTxnOps: 128 })
}

/** A key with its value as text, as one line: `k=v create/mod/version`. */
export function show({ key, value, createRevision, modRevision, version }: KeyValue): string {
  return `${key}=${Buffer.from(value).toString()} ${createRevision}/${modRevision}/${version}`
}
