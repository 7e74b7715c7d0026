// Whether the user of a session may run a command, and what is said and remembered if not. Asked for each command that a client sends
// or queues, each one that EXEC runs, and each one that a script calls.
import type { AclContext } from '../acl/acl-log.ts'
import type { Denial } from '../acl/selector.ts'
import type { User } from '../acl/user.ts'
import type { Call } from './call.ts'
import type { Host } from './host.ts'
import type { Session } from './session.ts'
import type { CommandSpec } from './specs.ts'

const NO_LOGIN = 'NOAUTH Authentication required.'
const IN_EXEC: Readonly<Record<Denial['reason'], string>> = {
  command: 'no permission to execute the command or subcommand',
  key: 'no permission to touch the specified keys',
  channel: 'no permission to access one of the channels used as arguments to the command',
}
const IN_SCRIPTS: Readonly<Record<Denial['reason'], string>> = {
  command: "can't run this command or subcommand",
  key: "can't access at least one of the keys mentioned in the command arguments",
  channel: "can't publish to the channel mentioned in the command",
}

/** Why a session may not run a command, as the reply; undefined if it may. What is refused goes to the log. */
export function refusalByRights(
  engine: Host,
  session: Session,
  command: CommandSpec,
  args: readonly string[],
  nowMs: number,
): string | undefined {
  if (session.isTrusted) return undefined
  const { users } = engine
  if (!session.isAuthenticated && users.needsLogin) return command.flags.has('no_auth') ? undefined : NO_LOGIN
  const user = userOf(engine, session)
  const denial = user.denial(command, args)
  if (denial === undefined) return undefined
  const { reason, position } = denial
  const object = reason === 'command' ? command.name : (args[position] as string)
  logRefusal(engine, session, { reason, object, username: user.name }, nowMs)
  if (session.isScript) return `ERR The user executing the script ${IN_SCRIPTS[reason]}`
  if (session.isExecuting) {
    return (
      'NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. ' +
      `This command is no longer allowed for the following reason: ${IN_EXEC[reason]}`
    )
  }
  if (reason === 'command') return `NOPERM this user has no permissions to run the '${command.name}' command`
  return `NOPERM this user has no permissions to access one of the ${reason}s used as arguments`
}

/** Whether a session may run a command, without any trace. */
export function mayRun(engine: Host, session: Session, command: CommandSpec, args: readonly string[]): boolean {
  return session.isTrusted || userOf(engine, session).denial(command, args) === undefined
}

/** Whether a session may run a command on any key that it reads, for those that find keys in what they read. */
export function mayReadEverything(
  engine: Host,
  session: Session,
  command: CommandSpec,
  args: readonly string[],
): boolean {
  return session.isTrusted || userOf(engine, session).mayReadEverything(command, args)
}

/** Remembers for ACL LOG that something was refused. */
function logRefusal(
  engine: Host,
  session: Session,
  what: { readonly reason: Denial['reason'] | 'auth'; readonly object: string; readonly username: string },
  nowMs: number,
): void {
  // Commands of scripts run in a session of their own, which has the number of the one that called.
  const client = engine.session(session.id)
  const shown = client === undefined ? '' : (engine.server?.client(client).line ?? '')
  engine.users.log.add({ ...what, context: contextOf(session), atMs: nowMs, client: shown })
}

/** Remembers that somebody gave a wrong password. @param command - The name as it came. */
export function logWrongLogin(
  { engine, session, now }: Call,
  command: string,
  username: string,
  refusal: string,
): void {
  if (refusal.startsWith('WRONGPASS')) logRefusal(engine, session, { reason: 'auth', object: command, username }, now)
}

/** Who a session is: the default user where nobody has to log in any more. */
function userOf({ users }: Host, session: Session): User {
  return session.isAuthenticated ? session.user : users.default
}

function contextOf(session: Session): AclContext {
  if (session.isScript) return 'lua'
  return session.isExecuting || session.transaction !== undefined ? 'multi' : 'toplevel'
}
