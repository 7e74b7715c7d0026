// Which clients keep which keys in caches of their own, and are to be told when one of them changes (tracking.c):
// https://redis.io/docs/manual/client-side-caching/
import type { Effect } from './effects.ts'
import type { Session, TrackingMode } from './session.ts'

const DEFAULT_MAX_KEYS = 1_000_000
const CHANNEL = '__redis__:invalidate'

interface Note {
  readonly session: Session
  /** Undefined: everything may have changed. */
  readonly keys: readonly string[] | undefined
}

/** The reads and the wishes of all sessions. */
export class Tracking {
  /** `tracking-table-max-keys`, 0 for no bound: beyond it the keys remembered longest are told to have changed. */
  maxKeys = DEFAULT_MAX_KEYS
  readonly #find: (id: number) => Session | undefined
  /** Who has read a key since it changed last. */
  readonly #readers = new Map<string, Set<Session>>()
  readonly #sessions = new Set<Session>()
  #notes: Note[] = []
  /** For those who listen to prefixes: what has changed in the present call. */
  #changed = new Set<string>()
  /** Everything goes at once, and that was told. */
  #isFlushing = false

  /** @param find - The session of an id; undefined if it is gone. */
  constructor(find: (id: number) => Session | undefined) {
    this.#find = find
  }

  get clientCount(): number {
    return this.#sessions.size
  }

  get keyCount(): number {
    return this.#readers.size
  }

  /** How many sessions are to be told of how many keys, together. O(keys). */
  get itemCount(): number {
    let count = 0
    for (const readers of this.#readers.values()) count += readers.size
    return count
  }

  /** Prefixes that somebody listens to. O(sessions). */
  get prefixCount(): number {
    return new Set([...this.#sessions].flatMap(({ tracking }) => tracking?.prefixes ?? [])).size
  }

  enable(session: Session, mode: TrackingMode): void {
    session.tracking = mode
    session.isRedirectionBroken = false
    this.#sessions.add(session)
  }

  disable(session: Session): void {
    session.tracking = undefined
    session.caching = undefined
    this.#sessions.delete(session)
    // What it has read is passed over when it changes; once nobody is left, nothing will be told of changes any more.
    if (this.#sessions.size === 0) this.#readers.clear()
  }

  /** A session has read keys. */
  read(session: Session, keys: readonly string[]): void {
    const { tracking } = session
    if (tracking === undefined || tracking.prefixes !== undefined) return
    if (tracking.opt === 'in' && session.caching !== 'yes') return
    if (tracking.opt === 'out' && session.caching === 'no') return
    for (const key of keys) {
      const readers = this.#readers.get(key)
      if (readers === undefined) this.#readers.set(key, new Set([session]))
      else readers.add(session)
    }
  }

  /** A key was changed, by the command of this session if there is one. */
  changed(key: string, writer: Session | undefined): void {
    if (this.#isFlushing) return
    this.#changed.add(key)
    this.#invalidate(key, writer)
  }

  /** Runs what empties a database: all are told that everything may have changed, instead of each key. */
  flush(empty: () => void): void {
    this.#readers.clear()
    for (const session of this.#sessions) this.#notes.push({ session, keys: undefined })
    this.#isFlushing = true
    empty()
    this.#isFlushing = false
  }

  /** Writes what is to be told; to be called behind the reply of each command. @param writer - Whose command it was. */
  tell(writer: Session | undefined, effect: (effect: Effect) => void): void {
    this.#forget()
    if (this.#changed.size > 0) {
      const keys = [...this.#changed]
      this.#changed = new Set()
      for (const session of this.#sessions) {
        const { prefixes, noLoop } = session.tracking as TrackingMode
        if (prefixes === undefined || (noLoop && session === writer)) continue
        // A message for each prefix: they do not overlap.
        for (const prefix of prefixes) {
          const wanted = keys.filter((key) => key.startsWith(prefix))
          if (wanted.length > 0) this.#notes.push({ session, keys: wanted })
        }
      }
    }
    if (this.#notes.length === 0) return
    for (const note of this.#notes) this.#send(note, writer, effect)
    this.#notes = []
  }

  /** Lets go of keys beyond the bound. */
  #forget(): void {
    if (this.maxKeys === 0) return
    while (this.#readers.size > this.maxKeys) this.#invalidate(this.#readers.keys().next().value as string, undefined)
  }

  #invalidate(key: string, writer: Session | undefined): void {
    const readers = this.#readers.get(key)
    if (readers === undefined) return
    this.#readers.delete(key)
    for (const session of readers) {
      const { tracking } = session
      if (tracking === undefined || tracking.prefixes !== undefined) continue
      if (tracking.noLoop && session === writer) continue
      this.#notes.push({ session, keys: [key] })
    }
  }

  #send({ session, keys }: Note, writer: Session | undefined, effect: (effect: Effect) => void): void {
    const redirect = session.tracking?.redirect
    const receiver = redirect === undefined ? session : this.#find(redirect)
    const told = (to: Session): void => {
      if (to !== writer) effect({ kind: 'reply', session: to })
    }
    if (receiver === undefined) {
      session.isRedirectionBroken = true
      if (session.reply.protocol !== 3) return
      session.reply.push(2)
      session.reply.bulk('tracking-redir-broken')
      session.reply.integer(redirect as number)
      told(session)
      return
    }
    const { reply } = receiver
    if (reply.protocol === 3) {
      reply.push(2)
      reply.bulk('invalidate')
    } else if (redirect !== undefined && receiver.channels.has(CHANNEL)) {
      reply.push(3)
      reply.bulk('message')
      reply.bulk(CHANNEL)
    } else return
    if (keys === undefined) reply.nilArray()
    else reply.bulks(keys)
    told(receiver)
  }
}
