// The service Maintenance: how the server is, copies of its data.
import { loadCrypto } from '../../../io/random.ts'
import { crc32c } from '../../../storage/crc32c/index.ts'
import {
  ALARM,
  ALARM_ACTION,
  AlarmRequest,
  AlarmResponse,
  Empty,
  HashKvRequest,
  HashKvResponse,
  HashResponse,
  HeaderResponse,
  MoveLeaderRequest,
  SnapshotResponse,
  StatusResponse,
} from '../../../wire/etcd/messages.ts'
import { refusal } from '../errors.ts'
import type { LocksState } from '../state.ts'
import { headerFor, type Methods, type ServiceContext, streaming, unary } from './service.ts'

/** The version of the API that is spoken, as clients ask for it. */
const API_VERSION = '3.4.23'
const SNAPSHOT_PIECE_BYTES = 32 * 1024
/** `etcdctl snapshot save` takes only what has the form of etcd's own: whole sectors and a SHA-256 behind them. */
const SECTOR_BYTES = 512

/** The methods of etcdserverpb.Maintenance. */
export function maintenanceMethods(context: ServiceContext): Methods {
  return [...statusMethods(context), ...snapshotMethods(context)]
}

function statusMethods(context: ServiceContext): Methods {
  const { node } = context
  const root = (user: string | undefined): void => node.state.users.requireRoot(user)
  return [
    unary(context, '/etcdserverpb.Maintenance/Status', { request: Empty, response: StatusResponse }, async () => {
      return {
        header: headerFor(context),
        version: API_VERSION,
        dbSize: node.sizeBytes,
        dbSizeInUse: node.state.store.keptBytes,
        leader: node.raft.leader,
        raftIndex: node.raft.index,
        raftAppliedIndex: node.raft.appliedIndex,
        raftTerm: node.raft.term,
        isLearner: node.raft.isLearner,
        errors: [...node.state.alarms].map((alarm) => `memberID:${node.identity.memberId} alarm:${alarmName(alarm)} `),
      }
    }),
    unary(
      context,
      '/etcdserverpb.Maintenance/Alarm',
      { request: AlarmRequest, response: AlarmResponse },
      async ({ action, alarm }) => {
        const { alarms } = node.state
        const named = action === ALARM_ACTION.get ? [...alarms] : alarm === ALARM.none ? [...alarms] : [alarm]
        const touched = named.filter((one) => (action === ALARM_ACTION.activate ? true : alarms.has(one)))
        if (action !== ALARM_ACTION.get) {
          for (const one of touched) {
            await node.execute({ alarm: { alarm: one, isOn: action === ALARM_ACTION.activate } })
          }
        }
        const { memberId } = node.identity
        return { header: headerFor(context), alarms: touched.map((one) => ({ memberId, alarm: one })) }
      },
    ),
    unary(
      context,
      '/etcdserverpb.Maintenance/Defragment',
      { request: Empty, response: HeaderResponse },
      async (_request, { user }) => {
        root(user)
        await node.defragment()
        return { header: headerFor(context) }
      },
    ),
    unary(
      context,
      '/etcdserverpb.Maintenance/Hash',
      { request: Empty, response: HashResponse },
      async (_request, { user }) => {
        root(user)
        return { header: headerFor(context), hash: crc32c(await node.snapshot()) }
      },
    ),
    unary(
      context,
      '/etcdserverpb.Maintenance/HashKV',
      { request: HashKvRequest, response: HashKvResponse },
      async ({ revision }, { user }) => {
        root(user)
        const hash = await node.read((state) => hashUpTo(state, revision))
        return { header: headerFor(context), hash, compactRevision: node.state.store.compactRevision }
      },
    ),
    unary(
      context,
      '/etcdserverpb.Maintenance/MoveLeader',
      { request: MoveLeaderRequest, response: HeaderResponse },
      async ({ targetId }, { user }) => {
        root(user)
        if (node.members === undefined) throw refusal('badTransferee')
        await node.members.moveLeader(targetId)
        return { header: headerFor(context) }
      },
    ),
  ]
}

/** A sum over what keys are and were from the compacted revision up to `revision`; equal on replicas that are equal. */
function hashUpTo({ store }: LocksState, revision: number): number {
  if (revision > store.revision) throw refusal('futureRevision')
  if (revision > 0 && revision < store.compactRevision) throw refusal('compacted')
  let hash = 0
  for (const [key, value] of store.recordsUpTo(revision > 0 ? revision : store.revision)) {
    hash = crc32c(value, crc32c(key, hash))
  }
  return hash
}

function snapshotMethods(context: ServiceContext): Methods {
  const { node } = context
  return [
    streaming(
      context,
      '/etcdserverpb.Maintenance/Snapshot',
      { request: Empty, response: SnapshotResponse },
      async ({ requests, send, user }) => {
        node.state.users.requireRoot(user)
        for await (const _request of requests) {
          const bytes = inSectors(await node.snapshot())
          for (let at = 0; at < bytes.length; at += SNAPSHOT_PIECE_BYTES) {
            const blob = bytes.subarray(at, at + SNAPSHOT_PIECE_BYTES)
            await send({ header: headerFor(context), blob, remainingBytes: bytes.length - at - blob.length })
          }
          await send({ header: headerFor(context), blob: loadCrypto().createHash('sha256').update(bytes).digest() })
        }
      },
    ),
  ]
}

function inSectors(bytes: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil(bytes.length / SECTOR_BYTES) * SECTOR_BYTES)
  padded.set(bytes)
  return padded
}

function alarmName(alarm: number): string {
  return alarm === ALARM.noSpace ? 'NOSPACE' : alarm === ALARM.corrupt ? 'CORRUPT' : `${alarm}`
}
