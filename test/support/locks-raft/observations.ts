// What is seen of a cluster from outside and from above: what members execute, what clients are told, who believes to hold the lock.
import type { Event } from '../../../ts/distributed/locks/types.ts'
import { EVENT_TYPE } from '../../../ts/wire/etcd/messages.ts'
import { Violation } from '../raft/invariants.ts'

/** Everything that is compared between members and clients. */
export class Observations {
  restores = 0
  acquisitions = 0
  losses = 0
  /** Of writes that were answered: the highest main revision. */
  answeredRevision = 0
  #numbers = 0
  readonly #accepted = new Set<number>()
  readonly #results = new Map<number, Uint8Array>()
  readonly #events = new Map<number, string>()
  readonly #owners = new Map<number, number>()
  #highestToken = 0

  nextNumber(): number {
    return ++this.#numbers
  }

  /** Requests come over streams: a copy of one is never executed, however late it is. */
  isFirst(from: number, number: number): boolean {
    const name = from * 2 ** 30 + number
    if (this.#accepted.has(name)) return false
    this.#accepted.add(name)
    return true
  }

  /** A member has executed the entry. */
  executed(id: number, index: number, result: Uint8Array): void {
    const known = this.#results.get(index)
    if (known === undefined) this.#results.set(index, result)
    else if (!Buffer.from(known).equals(result)) {
      throw new Violation('equal replicas', `${id} has another result of entry ${index}`)
    }
  }

  /** A member has made a revision. */
  applied(id: number, events: readonly Event[], revision: number): void {
    const text = describe(events)
    const known = this.#events.get(revision)
    if (known === undefined) this.#events.set(revision, text)
    else if (known !== text) {
      throw new Violation('equal replicas', `revision ${revision} of ${id} is ${text}, and was ${known}`)
    }
  }

  /** A watch of all keys has heard of these: `from` to `to`, all of them. */
  watched(who: string, events: readonly Event[], { from, to }: { from: number; to: number }): void {
    const heard = new Map<number, Event[]>()
    for (const event of events) {
      const revision = event.kv?.modRevision ?? 0
      const list = heard.get(revision)
      if (list === undefined) heard.set(revision, [event])
      else list.push(event)
    }
    const revisions = [...heard.keys()]
    if (revisions.some((revision) => revision < from || revision > to)) {
      throw new Violation('watches', `${who} hears of ${revisions}, and wanted ${from} to ${to}`)
    }
    for (let revision = from; revision <= to; revision++) {
      const text = describe(heard.get(revision) ?? [])
      const made = this.#events.get(revision)
      if (made !== undefined && made !== text) {
        throw new Violation('watches', `${who} hears "${text}" of revision ${revision}, which is "${made}"`)
      }
    }
  }

  /** A write was answered that was asked for when `answeredRevision` was `before`. */
  wrote(client: number, revision: number, before: number): void {
    if (revision <= before) {
      throw new Violation('order', `${client} is told of revision ${revision} after somebody was told of ${before}`)
    }
    this.answeredRevision = Math.max(this.answeredRevision, revision)
  }

  /** A read was answered that was asked for when `answeredRevision` was `before`. */
  sawRevision(client: number, revision: number, before: number): void {
    if (revision < before) {
      throw new Violation('order', `${client} reads revision ${revision} after somebody was told of ${before}`)
    }
  }

  /** A client believes from now on that it alone holds the lock. */
  owns(client: number, token: number): void {
    for (const [other, theirs] of this.#owners) {
      throw new Violation('mutual exclusion', `${client} has token ${token} while ${other} still believes in ${theirs}`)
    }
    if (token <= this.#highestToken) {
      throw new Violation('fencing', `${client} has token ${token}, after ${this.#highestToken}`)
    }
    this.#highestToken = token
    this.#owners.set(client, token)
    this.acquisitions++
  }

  /** It does not any more. */
  disowns(client: number): void {
    this.#owners.delete(client)
  }
}

function describe(events: readonly Event[]): string {
  return events
    .map(({ type, kv }) => `${type === EVENT_TYPE.put ? 'put' : 'delete'} ${kv?.key} ${Buffer.from(kv?.value ?? [])}`)
    .join(', ')
}
