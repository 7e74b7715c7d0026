// Runs the engine of one node: turns its effects into writes, messages and answers, and what comes of them into events.
//
//   put, get ----------+                       +--> storage ---- durable ---> persisted(write)
//   receive(message) --+--> StoreNode.step ----+--> send
//   a tick ------------+                       +--> answers
//
// Nothing here waits, so writes that come while one is being synced share the next sync: the group commit of the store below.
import { BedplateError } from '../../../base/errors.ts'
import type { Cancel, Clock } from '../../../io/clock.ts'
import { StoreNode } from './node.ts'
import type { NodeStorage } from './storage.ts'
import type { Effect, Event, Get, Message, Outcome, Put, RingChange, StoreOptions } from './types.ts'

export interface DriverOptions {
  readonly engine: Omit<StoreOptions, 'store' | 'hints'>
  readonly storage: NodeStorage
  readonly clock: Clock
  /** The length of a tick of the engine. */
  readonly tickMs: number
  /** Takes a message for another node, which may be lost. Must not call back before it returns. */
  readonly send: (to: string, message: Message) => void
  /** Is told of every tick, behind what the engine does in it. */
  readonly onTick: () => void
  /** Is told once if the node has ended by itself: its disk failed. */
  readonly onFailure: (error: Error) => void
}

interface Pending {
  readonly resolve: (outcome: Outcome) => void
  readonly reject: (error: Error) => void
}

/** A node that runs, from its start on disk to `close`. */
export class Driver {
  private readonly options: DriverOptions
  private readonly node: StoreNode
  private readonly pending = new Map<number, Pending>()
  private nextId = 1
  private durableWrite = 0
  private isTelling = false
  private cancelTick: Cancel | undefined
  private ended: Error | undefined

  /** @throws CORRUPTION if its hints cannot be read, INVALID_INPUT for a name that is not in the ring. */
  constructor(options: DriverOptions) {
    const { engine, storage } = options
    this.options = options
    this.node = new StoreNode({ ...engine, store: storage, hints: storage.hints() })
    this.tickLater()
  }

  get status(): StoreNode['status'] {
    return this.node.status
  }

  /** The ring that is read now, and what is being done to it. */
  get ring(): StoreNode['ring'] {
    return this.node.ring
  }

  /** Everybody who was heard of. */
  members(): ReturnType<StoreNode['members']> {
    return this.node.members()
  }

  /** Takes a write as a coordinator. @throws INVALID_INPUT for counts that cannot be, CLOSED, or what ended the node. */
  put(put: Put): Promise<Outcome> {
    return this.ask((id) => ({ kind: 'put', id, put }))
  }

  /** Reads as a coordinator. @throws As `put`. */
  get(get: Get): Promise<Outcome> {
    return this.ask((id) => ({ kind: 'get', id, get }))
  }

  /** Begins to change the ring. @throws As `put`, and NOT_FOUND for a node that is not there. */
  change(change: RingChange, lost: readonly string[]): Promise<Outcome> {
    return this.ask((id) => ({ kind: 'change', id, change, lost }))
  }

  /** Compares everything that this node holds with all others that hold it. @throws As `put`. */
  repair(): Promise<Outcome> {
    return this.ask((id) => ({ kind: 'repair', id }))
  }

  /** A message has come in. */
  receive(from: string, message: Message): void {
    this.step({ kind: 'message', from, message })
  }

  /** Ends the node. What is under way is answered by CLOSED: a write of it may have happened. */
  close(): void {
    this.end(new BedplateError('CLOSED', `${this.options.engine.name} was closed`))
  }

  private ask(eventOf: (id: number) => Event): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      if (this.ended !== undefined) throw this.ended
      const id = this.nextId++
      this.pending.set(id, { resolve, reject })
      try {
        this.step(eventOf(id))
      } catch (error) {
        this.pending.delete(id)
        throw error
      }
    })
  }

  private step(event: Event): void {
    if (this.ended !== undefined) return
    for (const effect of this.node.step(event)) {
      if (this.ended === undefined) this.perform(effect)
    }
  }

  private perform(effect: Effect): void {
    const { storage, send } = this.options
    switch (effect.kind) {
      case 'persist':
        this.write(effect.write, () => storage.put(effect.key, effect.versions))
        return
      case 'persistHint':
        this.write(effect.write, () => storage.putHint(effect.target, effect.key, effect.hint))
        return
      case 'persistNotes':
        this.write(effect.write, () => storage.putNotes(effect.notes))
        return
      case 'send':
        send(effect.to, effect.message)
        return
      case 'reply': {
        const pending = this.pending.get(effect.id)
        this.pending.delete(effect.id)
        pending?.resolve(effect.outcome)
      }
    }
  }

  /** Begins a write; the next one may begin before it has ended. */
  private write(number: number, begin: () => Promise<void>): void {
    try {
      begin().then(
        () => this.persisted(number),
        (error: unknown) => this.fail(error),
      )
    } catch (error) {
      this.fail(error)
    }
  }

  /** What became durable in one turn is one event: writes end in their order, and mostly many at once. */
  private persisted(number: number): void {
    this.durableWrite = Math.max(this.durableWrite, number)
    if (this.isTelling) return
    this.isTelling = true
    queueMicrotask(() => {
      this.isTelling = false
      this.step({ kind: 'persisted', write: this.durableWrite })
    })
  }

  private tickLater(): void {
    const { clock, tickMs, onTick } = this.options
    this.cancelTick = clock.timer(tickMs, () => {
      if (this.ended !== undefined) return
      this.tickLater()
      this.step({ kind: 'tick' })
      onTick()
    })
  }

  /** What a disk has done wrong cannot be undone: the node ends, and starts again from what is on it. */
  private fail(error: unknown): void {
    if (this.ended !== undefined) return
    const failure = error instanceof Error ? error : new BedplateError('INTERNAL', String(error))
    this.end(failure)
    this.options.onFailure(failure)
  }

  private end(reason: Error): void {
    this.ended ??= reason
    this.cancelTick?.()
    for (const { reject } of this.pending.values()) reject(this.ended)
    this.pending.clear()
  }
}
