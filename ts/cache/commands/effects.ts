import type { Session } from './session.ts'
import type { Transfer } from './transfers.ts'

/**
 * What a driver has to do after a call of the engine, in order. Replies need no effect: they lie in the session's writer.
 *
 * - `propagate`: append to the append-only file and send to replicas; `database` is where it is to be run. Several that belong
 *   together are framed by MULTI and EXEC. With `isMessage` it changes no key: it is for replicas alone.
 * - `block`: read no more commands of this session until a `reply` for it comes. Call `tick` at `untilMs` (undefined: never).
 * - `reply`: bytes were added to the reply of a session that is running no command: a message, or the answer to a blocked one,
 *   which may be empty where CLIENT REPLY asked for none.
 * - `close`: send what the session has got, then close its connection.
 * - `migrate`: send keys to another server, then call `endTransfer`; until then ask `isHeld` before each command.
 */
export type Effect =
  | {
      readonly kind: 'propagate'
      readonly database: number
      readonly args: readonly string[]
      readonly isMessage?: boolean
    }
  | { readonly kind: 'block'; readonly session: Session; readonly untilMs: number | undefined }
  | { readonly kind: 'reply'; readonly session: Session }
  | { readonly kind: 'close'; readonly session: Session }
  | { readonly kind: 'migrate'; readonly transfer: Transfer }
