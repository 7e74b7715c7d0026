// Who listens to what. Messages are written to the replies of their sessions as pushes, which RESP2 shows as arrays.
import { Glob } from '../keyspace/glob.ts'
import type { Session } from './session.ts'

export interface Message {
  readonly channel: string
  readonly message: string
  /** Sharded channels are a world of their own. */
  readonly isSharded: boolean
}

/** The subscriptions of all sessions. */
export class PubSub {
  /** Listeners by channel, in order of subscription; a channel without any is not there. */
  readonly channels = new Map<string, Set<Session>>()
  readonly shardChannels = new Map<string, Set<Session>>()
  readonly patterns = new Map<string, { readonly glob: Glob; readonly sessions: Set<Session> }>()

  subscribe(session: Session, channel: string, isSharded: boolean): void {
    const [own, all] = isSharded ? [session.shardChannels, this.shardChannels] : [session.channels, this.channels]
    own.add(channel)
    const sessions = all.get(channel)
    if (sessions === undefined) all.set(channel, new Set([session]))
    else sessions.add(session)
  }

  unsubscribe(session: Session, channel: string, isSharded: boolean): void {
    const [own, all] = isSharded ? [session.shardChannels, this.shardChannels] : [session.channels, this.channels]
    own.delete(channel)
    const sessions = all.get(channel)
    sessions?.delete(session)
    if (sessions?.size === 0) all.delete(channel)
  }

  subscribePattern(session: Session, pattern: string): void {
    session.patterns.add(pattern)
    const listeners = this.patterns.get(pattern)
    if (listeners === undefined) this.patterns.set(pattern, { glob: new Glob(pattern), sessions: new Set([session]) })
    else listeners.sessions.add(session)
  }

  unsubscribePattern(session: Session, pattern: string): void {
    session.patterns.delete(pattern)
    const listeners = this.patterns.get(pattern)
    listeners?.sessions.delete(session)
    if (listeners?.sessions.size === 0) this.patterns.delete(pattern)
  }

  /** Ends every subscription of a session. */
  leave(session: Session): void {
    for (const channel of [...session.channels]) this.unsubscribe(session, channel, false)
    for (const channel of [...session.shardChannels]) this.unsubscribe(session, channel, true)
    for (const pattern of [...session.patterns]) this.unsubscribePattern(session, pattern)
  }

  /** Writes a message to all who listen and tells each of them. O(listeners + patterns). @returns How many did. */
  publish({ channel, message, isSharded }: Message, written: (session: Session) => void): number {
    let count = 0
    const sessions = (isSharded ? this.shardChannels : this.channels).get(channel) ?? []
    for (const session of sessions) {
      session.messages?.push(session.reply.length)
      session.reply.push(3)
      session.reply.bulk(isSharded ? 'smessage' : 'message')
      session.reply.bulk(channel)
      session.reply.bulk(message)
      session.messages?.push(session.reply.length)
      written(session)
      count++
    }
    if (isSharded) return count
    for (const [pattern, listeners] of this.patterns) {
      if (!listeners.glob.matches(channel)) continue
      for (const session of listeners.sessions) {
        session.messages?.push(session.reply.length)
        session.reply.push(4)
        for (const part of ['pmessage', pattern, channel, message]) session.reply.bulk(part)
        session.messages?.push(session.reply.length)
        written(session)
        count++
      }
    }
    return count
  }
}
