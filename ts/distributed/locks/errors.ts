// What etcd refuses, with the status codes of gRPC and the very texts that its clients compare
// (https://grpc.github.io/grpc/core/md_doc_statuscodes.html). They are results of commands, so every replica gives the same.

/** The status codes of gRPC that are used here. */
export const STATUS = {
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const

const { invalidArgument, notFound, permissionDenied, resourceExhausted, failedPrecondition, outOfRange } = STATUS

/** All refusals by name: the code and the text behind "etcdserver: ". */
const REFUSALS = {
  emptyKey: [invalidArgument, 'key is not provided'],
  keyNotFound: [invalidArgument, 'key not found'],
  valueProvided: [invalidArgument, 'value is provided'],
  leaseProvided: [invalidArgument, 'lease is provided'],
  tooManyOperations: [invalidArgument, 'too many operations in txn request'],
  duplicateKey: [invalidArgument, 'duplicate key given in txn request'],
  invalidSort: [invalidArgument, 'invalid sort option'],
  compacted: [outOfRange, 'mvcc: required revision has been compacted'],
  futureRevision: [outOfRange, 'mvcc: required revision is a future revision'],
  noSpace: [resourceExhausted, 'mvcc: database space exceeded'],
  leaseNotFound: [notFound, 'requested lease not found'],
  leaseExists: [failedPrecondition, 'lease already exists'],
  leaseTtlTooLarge: [outOfRange, 'too large lease TTL'],
  requestTooLarge: [invalidArgument, 'request is too large'],
  tooManyRequests: [resourceExhausted, 'too many requests'],
  memberNotFound: [notFound, 'member not found'],
  notCapable: [STATUS.unavailable, 'not capable'],
  stopped: [STATUS.unavailable, 'server stopped'],
  noLeader: [STATUS.unavailable, 'no leader'],
  notLeader: [failedPrecondition, 'not leader'],
  leaderChanged: [STATUS.unavailable, 'leader changed'],
  timedOut: [STATUS.unavailable, 'request timed out'],
  leaderFailed: [STATUS.unavailable, 'request timed out, possibly due to previous leader failure'],
  badTransferee: [failedPrecondition, 'bad leader transferee'],
  memberExists: [failedPrecondition, 'member ID already exist'],
  peerUrlExists: [failedPrecondition, 'Peer URLs already exists'],
  badPeerUrls: [invalidArgument, 'given member URLs are invalid'],
  notEnoughMembers: [failedPrecondition, 're-configuration failed due to not enough started members'],
  notLearner: [failedPrecondition, 'can only promote a learner member'],
  learnerBehind: [failedPrecondition, 'can only promote a learner member which is in sync with leader'],
  oldAuthRevision: [invalidArgument, 'revision of auth store is old'],
  rootUserMissing: [failedPrecondition, 'root user does not exist'],
  rootRoleMissing: [failedPrecondition, 'root user does not have root role'],
  userExists: [failedPrecondition, 'user name already exists'],
  userEmpty: [invalidArgument, 'user name is empty'],
  userNotFound: [failedPrecondition, 'user name not found'],
  roleExists: [failedPrecondition, 'role name already exists'],
  roleNotFound: [failedPrecondition, 'role name not found'],
  roleEmpty: [invalidArgument, 'role name is empty'],
  authFailed: [invalidArgument, 'authentication failed, invalid user ID or password'],
  permissionNotGiven: [invalidArgument, 'permission not given'],
  permissionDenied: [permissionDenied, 'permission denied'],
  roleNotGranted: [failedPrecondition, 'role is not granted to the user'],
  permissionNotGranted: [failedPrecondition, 'permission is not granted to the role'],
  authNotEnabled: [failedPrecondition, 'authentication is not enabled'],
  invalidToken: [STATUS.unauthenticated, 'invalid auth token'],
  invalidAuthManagement: [invalidArgument, 'invalid auth management'],
} as const

/** The name of a refusal. */
export type RefusalName = keyof typeof REFUSALS

/** A request that etcd's protocol has an error for. Nothing has changed because of it. */
export class Refusal extends Error {
  /** A status code of gRPC. */
  readonly status: number

  constructor(status: number, text: string) {
    super(text)
    this.name = 'Refusal'
    this.status = status
  }
}

/** The refusal of that name. */
export function refusal(name: RefusalName): Refusal {
  const [status, text] = REFUSALS[name]
  return new Refusal(status, `etcdserver: ${text}`)
}

/** Says whether `error` is the refusal of that name. */
export function isRefusal(error: unknown, name: RefusalName): boolean {
  return error instanceof Refusal && error.message === `etcdserver: ${REFUSALS[name][1]}`
}
