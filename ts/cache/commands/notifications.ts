// Keyspace notifications: https://redis.io/docs/manual/keyspace-notifications/
import type { Host } from './host.ts'

export interface KeyspaceEvent {
  /** Its class, as notify-keyspace-events names it. */
  readonly kind: string
  readonly event: string
  readonly key: string
  readonly database: number
}

/** The classes that `A` stands for. */
const ALL_KINDS = 'g$lshzxetd'

/** Publishes an event to those who listen, if its class was asked for. */
export function notifyKeyspace(engine: Host, { kind, event, key, database }: KeyspaceEvent): void {
  const wanted = engine.notifiedEvents
  if (!wanted.includes(kind) && !(wanted.includes('A') && ALL_KINDS.includes(kind))) return
  if (wanted.includes('K')) engine.publish(`__keyspace@${database}__:${key}`, event)
  if (wanted.includes('E')) engine.publish(`__keyevent@${database}__:${event}`, key)
}
