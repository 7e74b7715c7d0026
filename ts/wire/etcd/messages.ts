// The messages of etcd's v3 API: names and numbers of fields as its reference has them
// (https://etcd.io/docs/v3.4/dev-guide/api_reference_v3/). Keys are strings with one character a byte (see `key`).
import {
  bool,
  bytes,
  type Codec,
  type Decoded,
  id64,
  int64,
  key,
  list,
  message,
  nested,
  nestedList,
  optional,
  text,
  uid64,
  uint,
} from './protobuf.ts'

/** Words for the numbers of the enumerations. */
export const SORT_ORDER = { none: 0, ascend: 1, descend: 2 } as const
export const SORT_TARGET = { key: 0, version: 1, create: 2, mod: 3, value: 4 } as const
export const COMPARE_RESULT = { equal: 0, greater: 1, less: 2, notEqual: 3 } as const
export const COMPARE_TARGET = { version: 0, create: 1, mod: 2, value: 3, lease: 4 } as const
export const EVENT_TYPE = { put: 0, delete: 1 } as const
export const WATCH_FILTER = { noPut: 0, noDelete: 1 } as const
export const PERMISSION = { read: 0, write: 1, readWrite: 2 } as const
export const ALARM = { none: 0, noSpace: 1, corrupt: 2 } as const
export const ALARM_ACTION = { get: 0, activate: 1, deactivate: 2 } as const

export const KeyValue = message({
  key: key(1),
  createRevision: int64(2),
  modRevision: int64(3),
  version: int64(4),
  value: bytes(5),
  lease: id64(6),
})
/** A key with its value, and when it came about. Revisions are main revisions. */
export type KeyValue = Decoded<typeof KeyValue>

export const Event = message({ type: uint(1), kv: nested(2, () => KeyValue), prevKv: nested(3, () => KeyValue) })
/** What happened to a key: of a deletion, `kv` has the key and the revision alone. */
export type Event = Decoded<typeof Event>

export const ResponseHeader = message({
  clusterId: uid64(1),
  memberId: uid64(2),
  revision: int64(3),
  raftTerm: int64(4),
})
export type ResponseHeader = Decoded<typeof ResponseHeader>

const header = nested(1, () => ResponseHeader)

/** Requests without content, and responses with a header alone. */
export const Empty = message({})
export const HeaderResponse = message({ header })

export const RangeRequest = message({
  key: key(1),
  rangeEnd: key(2),
  limit: int64(3),
  revision: int64(4),
  sortOrder: uint(5),
  sortTarget: uint(6),
  serializable: bool(7),
  keysOnly: bool(8),
  countOnly: bool(9),
  minModRevision: int64(10),
  maxModRevision: int64(11),
  minCreateRevision: int64(12),
  maxCreateRevision: int64(13),
})
export type RangeRequest = Decoded<typeof RangeRequest>
export const RangeResponse = message({ header, kvs: nestedList(2, () => KeyValue), more: bool(3), count: int64(4) })
export type RangeResponse = Decoded<typeof RangeResponse>

export const PutRequest = message({
  key: key(1),
  value: bytes(2),
  lease: id64(3),
  prevKv: bool(4),
  ignoreValue: bool(5),
  ignoreLease: bool(6),
})
export type PutRequest = Decoded<typeof PutRequest>
export const PutResponse = message({ header, prevKv: nested(2, () => KeyValue) })
export type PutResponse = Decoded<typeof PutResponse>

export const DeleteRangeRequest = message({ key: key(1), rangeEnd: key(2), prevKv: bool(3) })
export type DeleteRangeRequest = Decoded<typeof DeleteRangeRequest>
export const DeleteRangeResponse = message({ header, deleted: int64(2), prevKvs: nestedList(3, () => KeyValue) })
export type DeleteRangeResponse = Decoded<typeof DeleteRangeResponse>

export const Compare = message({
  result: uint(1),
  target: uint(2),
  key: key(3),
  version: optional(int64(4)),
  createRevision: optional(int64(5)),
  modRevision: optional(int64(6)),
  value: optional(bytes(7)),
  lease: optional(id64(8)),
  rangeEnd: key(64),
})
export type Compare = Decoded<typeof Compare>

// Transactions hold transactions, so their types cannot follow from the tables.

/** One operation of a transaction: exactly one of the fields is there. */
export interface RequestOp {
  range: RangeRequest | undefined
  put: PutRequest | undefined
  deleteRange: DeleteRangeRequest | undefined
  txn: TxnRequest | undefined
}
export interface TxnRequest {
  compare: readonly Compare[]
  success: readonly RequestOp[]
  failure: readonly RequestOp[]
}
export interface ResponseOp {
  range?: RangeResponse | undefined
  put?: PutResponse | undefined
  deleteRange?: DeleteRangeResponse | undefined
  txn?: TxnResponse | undefined
}
export interface TxnResponse {
  header: ResponseHeader | undefined
  succeeded: boolean
  responses: readonly ResponseOp[]
}
type InputOf<C> = C extends Codec<unknown, infer In> ? In : never
interface RequestOpInput {
  readonly range?: InputOf<typeof RangeRequest> | undefined
  readonly put?: InputOf<typeof PutRequest> | undefined
  readonly deleteRange?: InputOf<typeof DeleteRangeRequest> | undefined
  readonly txn?: TxnRequestInput | undefined
}
/** A transaction as clients write it: what is left away has its default. */
export interface TxnRequestInput {
  readonly compare?: readonly InputOf<typeof Compare>[] | undefined
  readonly success?: readonly RequestOpInput[] | undefined
  readonly failure?: readonly RequestOpInput[] | undefined
}

const RequestOp: Codec<RequestOp, RequestOpInput> = message({
  range: nested(1, () => RangeRequest),
  put: nested(2, () => PutRequest),
  deleteRange: nested(3, () => DeleteRangeRequest),
  txn: nested(4, (): Codec<TxnRequest, TxnRequestInput> => TxnRequest),
})
export const TxnRequest: Codec<TxnRequest, TxnRequestInput> = message({
  compare: nestedList(1, () => Compare),
  success: nestedList(2, () => RequestOp),
  failure: nestedList(3, () => RequestOp),
})
const ResponseOp: Codec<ResponseOp, ResponseOp> = message({
  range: nested(1, () => RangeResponse),
  put: nested(2, () => PutResponse),
  deleteRange: nested(3, () => DeleteRangeResponse),
  txn: nested(4, (): Codec<TxnResponse, Partial<TxnResponse>> => TxnResponse),
})
export const TxnResponse: Codec<TxnResponse, Partial<TxnResponse>> = message({
  header,
  succeeded: bool(2),
  responses: nestedList(3, () => ResponseOp),
})

export const CompactionRequest = message({ revision: int64(1), physical: bool(2) })
export type CompactionRequest = Decoded<typeof CompactionRequest>

const WatchCreateRequest = message({
  key: key(1),
  rangeEnd: key(2),
  startRevision: int64(3),
  progressNotify: bool(4),
  filters: list(uint(5)),
  prevKv: bool(6),
  watchId: int64(7),
  fragment: bool(8),
})
export type WatchCreateRequest = Decoded<typeof WatchCreateRequest>
const WatchCancelRequest = message({ watchId: int64(1) })
export const WatchRequest = message({
  create: nested(1, () => WatchCreateRequest),
  cancel: nested(2, () => WatchCancelRequest),
  progress: nested(3, () => Empty),
})
export type WatchRequest = Decoded<typeof WatchRequest>
export const WatchResponse = message({
  header,
  watchId: int64(2),
  created: bool(3),
  canceled: bool(4),
  compactRevision: int64(5),
  cancelReason: text(6),
  fragment: bool(7),
  events: nestedList(11, () => Event),
})
export type WatchResponse = Decoded<typeof WatchResponse>

export const LeaseGrantRequest = message({ ttl: int64(1), id: id64(2) })
export type LeaseGrantRequest = Decoded<typeof LeaseGrantRequest>
export const LeaseGrantResponse = message({ header, id: id64(2), ttl: int64(3), error: text(4) })
/** Requests that name a lease and nothing else: revoke, keep alive. */
export const LeaseIdRequest = message({ id: id64(1) })
export const LeaseKeepAliveResponse = message({ header, id: id64(2), ttl: int64(3) })
export const LeaseTimeToLiveRequest = message({ id: id64(1), keys: bool(2) })
export const LeaseTimeToLiveResponse = message({
  header,
  id: id64(2),
  ttl: int64(3),
  grantedTtl: int64(4),
  keys: list(key(5)),
})
export const LeaseLeasesResponse = message({ header, leases: nestedList(2, () => LeaseIdRequest) })

export const Member = message({
  id: uid64(1),
  name: text(2),
  peerUrls: list(text(3)),
  clientUrls: list(text(4)),
  isLearner: bool(5),
})
export const MemberListResponse = message({ header, members: nestedList(2, () => Member) })

export const MemberAddRequest = message({ peerUrls: list(text(1)), isLearner: bool(2) })
export const MemberAddResponse = message({
  header,
  member: nested(2, () => Member),
  members: nestedList(3, () => Member),
})
/** Requests that name a member and nothing else: remove, promote. */
export const MemberIdRequest = message({ id: uid64(1) })
export const MemberUpdateRequest = message({ id: uid64(1), peerUrls: list(text(2)) })
export const MoveLeaderRequest = message({ targetId: uid64(1) })

export const AlarmRequest = message({ action: uint(1), memberId: uid64(2), alarm: uint(3) })
export type AlarmRequest = Decoded<typeof AlarmRequest>
const AlarmMember = message({ memberId: uid64(1), alarm: uint(2) })
export const AlarmResponse = message({ header, alarms: nestedList(2, () => AlarmMember) })
export const StatusResponse = message({
  header,
  version: text(2),
  dbSize: int64(3),
  leader: uid64(4),
  raftIndex: int64(5),
  raftTerm: int64(6),
  raftAppliedIndex: int64(7),
  errors: list(text(8)),
  dbSizeInUse: int64(9),
  isLearner: bool(10),
})
export const HashResponse = message({ header, hash: uint(2) })
export const HashKvRequest = message({ revision: int64(1) })
export const HashKvResponse = message({ header, hash: uint(2), compactRevision: int64(3) })
export const SnapshotResponse = message({ header, remainingBytes: int64(2), blob: bytes(3) })

export const LockRequest = message({ name: key(1), lease: id64(2) })
export const LockResponse = message({ header, key: key(2) })
export const UnlockRequest = message({ key: key(1) })

const LeaderKey = message({ name: key(1), key: key(2), revision: int64(3), lease: id64(4) })
export const CampaignRequest = message({ name: key(1), lease: id64(2), value: bytes(3) })
export const CampaignResponse = message({ header, leader: nested(2, () => LeaderKey) })
export const ProclaimRequest = message({ leader: nested(1, () => LeaderKey), value: bytes(2) })
export const LeaderRequest = message({ name: key(1) })
export const LeaderResponse = message({ header, kv: nested(2, () => KeyValue) })
export const ResignRequest = message({ leader: nested(1, () => LeaderKey) })

// Users and roles. Their names are text; keys of permissions are bytes.

export const Permission = message({ type: uint(1), key: key(2), rangeEnd: key(3) })
export type Permission = Decoded<typeof Permission>
const UserOptions = message({ noPassword: bool(1) })
export const AuthStatusResponse = message({ header, enabled: bool(2), authRevision: int64(3) })
/** Of AuthenticateRequest, AuthUserAddRequest and AuthUserChangePasswordRequest. */
export const UserRequest = message({ name: text(1), password: text(2), options: nested(3, () => UserOptions) })
export const AuthenticateResponse = message({ header, token: text(2) })
/** Requests with one name: a user's, or a role's. */
export const NameRequest = message({ name: text(1) })
export const UserRoleRequest = message({ user: text(1), role: text(2) })
/** Responses with a list of names: roles of a user, all users, all roles. */
export const NamesResponse = message({ header, names: list(text(2)) })
export const RoleGetResponse = message({ header, permissions: nestedList(2, () => Permission) })
export const RolePermissionRequest = message({ name: text(1), permission: nested(2, () => Permission) })
export const RoleRevokeRequest = message({ role: text(1), key: key(2), rangeEnd: key(3) })
