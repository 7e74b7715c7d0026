// ACL LOG: what was refused, the newest first.

/** Where a command came from. */
export type AclContext = 'toplevel' | 'multi' | 'lua'

export interface AclEvent {
  readonly reason: 'command' | 'key' | 'channel' | 'auth'
  readonly context: AclContext
  /** The command, key or channel. */
  readonly object: string
  readonly username: string
  /** Milliseconds since 1970. */
  readonly atMs: number
  /** The client, as CLIENT LIST tells of it. */
  readonly client: string
}

const DEFAULT_LENGTH = 128
/** Of so many of the newest ones, the same within a minute is counted and not told again. */
const COMPARED = 10
const SAME_MS = 60_000

export class AclLog {
  /** `acllog-max-len` */
  maxLength = DEFAULT_LENGTH
  #entries: { readonly count: number; readonly event: AclEvent }[] = []

  get entries(): readonly { readonly count: number; readonly event: AclEvent }[] {
    return this.#entries
  }

  add(event: AclEvent): void {
    const same = this.#entries.slice(0, COMPARED).findIndex((entry) => isSame(entry.event, event))
    const [before] = same === -1 ? [] : this.#entries.splice(same, 1)
    this.#entries.unshift({ count: 1 + (before?.count ?? 0), event })
    if (this.#entries.length > this.maxLength) this.#entries.length = this.maxLength
  }

  clear(): void {
    this.#entries = []
  }
}

function isSame(a: AclEvent, b: AclEvent): boolean {
  return (
    a.reason === b.reason &&
    a.context === b.context &&
    a.object === b.object &&
    a.username === b.username &&
    Math.abs(a.atMs - b.atMs) <= SAME_MS
  )
}
