// Changes of users and roles, as values and as bytes. Passwords come hashed: replicas never see one.
import { Permission } from '../../../wire/etcd/messages.ts'
import { bool, bytes, type Decoded, message, nested, text, uint } from '../../../wire/etcd/protobuf.ts'

/** What a change does, with the numbers that logs keep. */
export const AUTH_ACTION = {
  enable: 1,
  disable: 2,
  addUser: 3,
  deleteUser: 4,
  changePassword: 5,
  grantRole: 6,
  revokeRole: 7,
  addRole: 8,
  deleteRole: 9,
  grantPermission: 10,
  revokePermission: 11,
} as const

/** One change; which fields it needs, its action says. */
export const AuthCommand = message({
  action: uint(1),
  user: text(2),
  role: text(3),
  passwordHash: bytes(4),
  noPassword: bool(5),
  permission: nested(6, () => Permission),
})
/** One change; which fields it needs, its action says. */
export type AuthCommand = Partial<Decoded<typeof AuthCommand>>
