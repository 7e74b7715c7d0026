// Users, roles, and who may do what (https://etcd.io/docs/v3.4/op-guide/authentication/). All of it is replicated.
import { BedplateError } from '../../../base/errors.ts'
import { PERMISSION, Permission } from '../../../wire/etcd/messages.ts'
import { bool, bytes, type Decoded, list, message, nestedList, text } from '../../../wire/etcd/protobuf.ts'
import { refusal } from '../errors.ts'
import type { Backend, Write } from '../mvcc/backend.ts'
import type { Span } from '../mvcc/key-index.ts'
import { AUTH_ACTION, type AuthCommand } from './command.ts'
import { covers } from './permissions.ts'

/** The user that must exist before authentication is turned on, and the role that may do everything. */
const ROOT = 'root'

const UserRecord = message({ name: text(1), passwordHash: bytes(2), roles: list(text(3)), noPassword: bool(4) })
const RoleRecord = message({ name: text(1), permissions: nestedList(2, () => Permission) })
/** Somebody who can be granted roles. */
export type User = Decoded<typeof UserRecord>
/** What a role allows. */
export type Role = Decoded<typeof RoleRecord>

const ENABLED = Buffer.from('authEnabled')
const REVISION_KEY = Buffer.from('authRevision')
const ON = Buffer.from([1])

/** Users and roles. */
export class Users {
  readonly #users = new Map<string, User>()
  readonly #roles = new Map<string, Role>()
  #isEnabled: boolean
  #revision: number

  /** @throws CORRUPTION if the backend holds what was never written. */
  constructor(backend: Backend) {
    this.#isEnabled = backend.get('meta', ENABLED) !== undefined
    const revision = backend.get('meta', REVISION_KEY)
    this.#revision = revision === undefined ? 1 : Number(Buffer.from(revision).toString())
    for (const [key, value] of backend.scan('auth', new Uint8Array(0))) {
      const kind = Buffer.from(key).toString('latin1', 0, 2)
      if (kind === 'u:') this.#keepUser(UserRecord.decode(value))
      else if (kind === 'r:') this.#keepRole(RoleRecord.decode(value))
      else throw new BedplateError('CORRUPTION', 'a record of users and roles is of neither kind')
    }
  }

  get isEnabled(): boolean {
    return this.#isEnabled
  }

  /** Counts the changes; begins at 1. */
  get revision(): number {
    return this.#revision
  }

  user(name: string): User | undefined {
    return this.#users.get(name)
  }

  role(name: string): Role | undefined {
    return this.#roles.get(name)
  }

  userNames(): string[] {
    return [...this.#users.keys()].sort()
  }

  roleNames(): string[] {
    return [...this.#roles.keys()].sort()
  }

  /** Refuses whoever may not manage everything. @param name - Undefined for a request without a token. @throws Refusal */
  requireRoot(name: string | undefined): void {
    if (!this.#isEnabled) return
    if (name === undefined) throw refusal('userEmpty')
    if (this.#users.get(name)?.roles.includes(ROOT) !== true) throw refusal('permissionDenied')
  }

  /** Refuses whoever may not read or write all keys of a span. @throws Refusal */
  require(name: string | undefined, span: Span, kind: 'read' | 'write'): void {
    if (!this.#isEnabled) return
    if (name === undefined) throw refusal('userEmpty')
    const user = this.#users.get(name)
    if (user === undefined) throw refusal('permissionDenied')
    if (user.roles.includes(ROOT)) return
    const wanted = kind === 'read' ? PERMISSION.read : PERMISSION.write
    const granted = user.roles
      .flatMap((role) => this.#roles.get(role)?.permissions ?? [])
      .filter(({ type }) => type === wanted || type === PERMISSION.readWrite)
    if (!covers(granted, span)) throw refusal('permissionDenied')
  }

  /**
   * Does a change.
   * @returns What is to be written; it is done once that is. @throws Refusal, and then nothing has changed
   */
  change(command: AuthCommand): { writes: Write[]; keep: () => void } {
    const { action, user = '', role = '' } = command
    switch (action) {
      case AUTH_ACTION.enable:
        return this.#enable()
      case AUTH_ACTION.disable:
        return this.#done([{ bucket: 'meta', key: ENABLED, value: undefined }], () => {
          this.#isEnabled = false
        })
      case AUTH_ACTION.addUser:
        return this.#addUser(command, user)
      case AUTH_ACTION.deleteUser:
        this.#refuseOnRoot(user)
        this.#userNamed(user)
        return this.#done([{ bucket: 'auth', key: userKey(user), value: undefined }], () => this.#users.delete(user))
      case AUTH_ACTION.changePassword:
        return this.#saveUser({ ...this.#userNamed(user), passwordHash: command.passwordHash ?? NO_BYTES })
      case AUTH_ACTION.grantRole:
        return this.#grantRole(user, role)
      case AUTH_ACTION.revokeRole:
        return this.#revokeRole(user, role)
      case AUTH_ACTION.addRole:
        if (role === '') throw refusal('roleEmpty')
        if (this.#roles.has(role)) throw refusal('roleExists')
        return this.#saveRole({ name: role, permissions: [] })
      case AUTH_ACTION.deleteRole:
        return this.#deleteRole(role)
      case AUTH_ACTION.grantPermission:
        return this.#grantPermission(role, command.permission)
      case AUTH_ACTION.revokePermission:
        return this.#revokePermission(role, command.permission)
      default:
        throw new BedplateError('CORRUPTION', `there is no change of users with the number ${action}`)
    }
  }

  #enable(): { writes: Write[]; keep: () => void } {
    const root = this.#users.get(ROOT)
    if (root === undefined) throw refusal('rootUserMissing')
    if (!root.roles.includes(ROOT)) throw refusal('rootRoleMissing')
    return this.#done([{ bucket: 'meta', key: ENABLED, value: ON }], () => {
      this.#isEnabled = true
    })
  }

  #addUser({ passwordHash = NO_BYTES, noPassword = false }: AuthCommand, name: string) {
    if (name === '') throw refusal('userEmpty')
    if (this.#users.has(name)) throw refusal('userExists')
    return this.#saveUser({ name, passwordHash, noPassword, roles: [] })
  }

  #grantRole(name: string, role: string) {
    const user = this.#userNamed(name)
    if (role !== ROOT) this.#roleNamed(role)
    return this.#saveUser({ ...user, roles: [...new Set([...user.roles, role])].sort() })
  }

  #revokeRole(name: string, role: string) {
    if (name === ROOT) this.#refuseOnRoot(role)
    const user = this.#userNamed(name)
    if (!user.roles.includes(role)) throw refusal('roleNotGranted')
    return this.#saveUser({ ...user, roles: user.roles.filter((granted) => granted !== role) })
  }

  #deleteRole(role: string) {
    this.#refuseOnRoot(role)
    this.#roleNamed(role)
    const losers = [...this.#users.values()]
      .filter(({ roles }) => roles.includes(role))
      .map((user) => ({ ...user, roles: user.roles.filter((granted) => granted !== role) }))
    const writes: Write[] = losers.map(userWrite)
    writes.push({ bucket: 'auth', key: roleKey(role), value: undefined })
    return this.#done(writes, () => {
      this.#roles.delete(role)
      for (const user of losers) this.#keepUser(user)
    })
  }

  #grantPermission(name: string, permission: Permission | undefined) {
    if (permission === undefined) throw refusal('permissionNotGiven')
    const role = this.#roleNamed(name)
    const others = role.permissions.filter((granted) => !isSameSpan(granted, permission))
    const permissions = [...others, permission].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    return this.#saveRole({ ...role, permissions })
  }

  #revokePermission(name: string, permission: Permission | undefined) {
    const role = this.#roleNamed(name)
    const permissions = role.permissions.filter((granted) => !isSameSpan(granted, permission))
    if (permissions.length === role.permissions.length) throw refusal('permissionNotGranted')
    return this.#saveRole({ ...role, permissions })
  }

  /** While authentication is on, somebody has to be able to turn it off. */
  #refuseOnRoot(name: string): void {
    if (this.#isEnabled && name === ROOT) throw refusal('invalidAuthManagement')
  }

  #userNamed(name: string): User {
    const user = this.#users.get(name)
    if (user === undefined) throw refusal('userNotFound')
    return user
  }

  #roleNamed(name: string): Role {
    const role = this.#roles.get(name)
    if (role === undefined) throw refusal('roleNotFound')
    return role
  }

  #saveUser(user: User): { writes: Write[]; keep: () => void } {
    return this.#done([userWrite(user)], () => this.#keepUser(user))
  }

  #saveRole(role: Role): { writes: Write[]; keep: () => void } {
    return this.#done([{ bucket: 'auth', key: roleKey(role.name), value: RoleRecord.encode(role) }], () =>
      this.#keepRole(role),
    )
  }

  #done(writes: Write[], keep: () => void): { writes: Write[]; keep: () => void } {
    const revision = this.#revision + 1
    return {
      writes: [...writes, { bucket: 'meta', key: REVISION_KEY, value: Buffer.from(String(revision)) }],
      keep: () => {
        this.#revision = revision
        keep()
      },
    }
  }

  #keepUser(user: User): void {
    this.#users.set(user.name, user)
  }

  #keepRole(role: Role): void {
    this.#roles.set(role.name, role)
  }
}

const NO_BYTES = new Uint8Array(0)

function isSameSpan(a: Permission, b: Permission | undefined): boolean {
  return a.key === b?.key && a.rangeEnd === b.rangeEnd
}

function userWrite(user: User): Write {
  return { bucket: 'auth', key: userKey(user.name), value: UserRecord.encode(user) }
}

function userKey(name: string): Uint8Array {
  return Buffer.from(`u:${name}`)
}

function roleKey(name: string): Uint8Array {
  return Buffer.from(`r:${name}`)
}
