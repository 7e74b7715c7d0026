// The service Auth: users, roles, logging in.
import {
  AuthenticateResponse,
  AuthStatusResponse,
  Empty,
  HeaderResponse,
  NameRequest,
  NamesResponse,
  RoleGetResponse,
  RolePermissionRequest,
  RoleRevokeRequest,
  UserRequest,
  UserRoleRequest,
} from '../../../wire/etcd/messages.ts'
import { AUTH_ACTION, type AuthCommand } from '../auth/command.ts'
import { refusal } from '../errors.ts'
import { type Caller, headerFor, type Methods, type ServiceContext, unary } from './service.ts'

const { enable, disable, addUser, deleteUser, changePassword, grantRole, revokeRole } = AUTH_ACTION
const { addRole, deleteRole, grantPermission, revokePermission } = AUTH_ACTION

/** The methods of etcdserverpb.Auth. */
export function authMethods(context: ServiceContext): Methods {
  return [...sessionMethods(context), ...userMethods(context), ...roleMethods(context)]
}

/** Does a change for somebody who may. */
async function change(context: ServiceContext, { user }: Caller, command: AuthCommand, password?: string) {
  const { node } = context
  node.state.users.requireRoot(user)
  await node.changeUsers(command, password)
  return { header: headerFor(context) }
}

function pathOf(name: string): string {
  return `/etcdserverpb.Auth/${name}`
}

function sessionMethods(context: ServiceContext): Methods {
  const { node } = context
  const plain = { request: Empty, response: HeaderResponse }
  return [
    unary(context, pathOf('AuthEnable'), plain, (_request, caller) => change(context, caller, { action: enable })),
    unary(context, pathOf('AuthDisable'), plain, (_request, caller) => change(context, caller, { action: disable })),
    unary(context, pathOf('AuthStatus'), { request: Empty, response: AuthStatusResponse }, async () => {
      const { isEnabled, revision } = node.state.users
      return { header: headerFor(context), enabled: isEnabled, authRevision: revision }
    }),
    unary(
      context,
      pathOf('Authenticate'),
      { request: UserRequest, response: AuthenticateResponse },
      async ({ name, password }) => {
        return { header: headerFor(context), token: await node.logIn(name, password) }
      },
    ),
  ]
}

function userMethods(context: ServiceContext): Methods {
  const { node } = context
  return [
    unary(
      context,
      pathOf('UserAdd'),
      { request: UserRequest, response: HeaderResponse },
      ({ name, password, options }, caller) => {
        const noPassword = options?.noPassword === true
        return change(context, caller, { action: addUser, user: name, noPassword }, noPassword ? undefined : password)
      },
    ),
    unary(context, pathOf('UserGet'), { request: NameRequest, response: NamesResponse }, async ({ name }, caller) => {
      // Everybody may look at himself.
      if (caller.user !== name || name === '') node.state.users.requireRoot(caller.user)
      const user = node.state.users.user(name)
      if (user === undefined) throw refusal('userNotFound')
      return { header: headerFor(context), names: user.roles }
    }),
    unary(context, pathOf('UserList'), { request: Empty, response: NamesResponse }, async (_request, { user }) => {
      node.state.users.requireRoot(user)
      return { header: headerFor(context), names: node.state.users.userNames() }
    }),
    unary(context, pathOf('UserDelete'), { request: NameRequest, response: HeaderResponse }, ({ name }, caller) =>
      change(context, caller, { action: deleteUser, user: name }),
    ),
    unary(
      context,
      pathOf('UserChangePassword'),
      { request: UserRequest, response: HeaderResponse },
      ({ name, password }, caller) => change(context, caller, { action: changePassword, user: name }, password),
    ),
    unary(
      context,
      pathOf('UserGrantRole'),
      { request: UserRoleRequest, response: HeaderResponse },
      ({ user, role }, caller) => change(context, caller, { action: grantRole, user, role }),
    ),
    unary(
      context,
      pathOf('UserRevokeRole'),
      { request: UserRoleRequest, response: HeaderResponse },
      ({ user, role }, caller) => change(context, caller, { action: revokeRole, user, role }),
    ),
  ]
}

function roleMethods(context: ServiceContext): Methods {
  const { node } = context
  return [
    unary(context, pathOf('RoleAdd'), { request: NameRequest, response: HeaderResponse }, ({ name }, caller) =>
      change(context, caller, { action: addRole, role: name }),
    ),
    unary(
      context,
      pathOf('RoleGet'),
      { request: NameRequest, response: RoleGetResponse },
      async ({ name }, { user }) => {
        const isOwn = user !== undefined && node.state.users.user(user)?.roles.includes(name) === true
        if (!isOwn) node.state.users.requireRoot(user)
        const role = node.state.users.role(name)
        if (role === undefined) throw refusal('roleNotFound')
        return { header: headerFor(context), permissions: role.permissions }
      },
    ),
    unary(context, pathOf('RoleList'), { request: Empty, response: NamesResponse }, async (_request, { user }) => {
      node.state.users.requireRoot(user)
      return { header: headerFor(context), names: node.state.users.roleNames() }
    }),
    unary(context, pathOf('RoleDelete'), { request: NameRequest, response: HeaderResponse }, ({ name }, caller) =>
      change(context, caller, { action: deleteRole, role: name }),
    ),
    unary(
      context,
      pathOf('RoleGrantPermission'),
      { request: RolePermissionRequest, response: HeaderResponse },
      ({ name, permission }, caller) => change(context, caller, { action: grantPermission, role: name, permission }),
    ),
    unary(
      context,
      pathOf('RoleRevokePermission'),
      { request: RoleRevokeRequest, response: HeaderResponse },
      ({ role, key, rangeEnd }, caller) =>
        change(context, caller, { action: revokePermission, role, permission: { type: 0, key, rangeEnd } }),
    ),
  ]
}
