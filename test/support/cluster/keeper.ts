// The keys of a node in the simulator: the real engine of commands, with an append-only file that every reply waits for.

import type { Mutant } from '../../../ts/cache/cluster/mutant.ts'
import type { ClusterOrder } from '../../../ts/cache/cluster/orders.ts'
import { isRedirection, redirection } from '../../../ts/cache/cluster/routing.ts'
import { SlotIndex } from '../../../ts/cache/cluster/slot-index.ts'
import type { Topology } from '../../../ts/cache/cluster/topology.ts'
import type { ClusterDoor } from '../../../ts/cache/commands/cluster-door.ts'
import type { Transfer } from '../../../ts/cache/commands/transfers.ts'
import { type Effect, Engine, type Session } from '../../../ts/cache/index.ts'
import { seededRandom } from '../../../ts/io/random.ts'

/** A command on its way, and its reply. Whoever sent it has given up its connection after `untilMs`, and nothing comes through then. */
export type DataWire =
  | {
      readonly kind: 'command'
      readonly id: number
      readonly args: readonly string[]
      readonly isAsking: boolean
      readonly sentMs: number
      readonly untilMs: number
    }
  | { readonly kind: 'reply'; readonly id: number; readonly text: string }

/** In virtual time; local clocks are less than half as fast again. */
const TRANSFER_MS = 300
const TRANSFER_LOCAL_MS = 450
const KEYS_AT_ONCE = 100

export interface KeeperOptions {
  /** What the disk has of earlier lives: changes, in order. Those of this life are added. */
  readonly changes: (readonly string[])[]
  /** Milliseconds since 1970, on the clock of the node. */
  readonly nowMs: () => number
  readonly virtualMs: () => number
  readonly topology: () => Topology
  readonly order: (order: ClusterOrder) => string | undefined
  readonly send: (to: number, message: DataWire) => void
  /** Makes durable what was written so far, and this; then calls `done`. */
  readonly write: (apply: () => void, done: () => void) => void
  readonly after: (localMs: number, fire: () => void) => void
  readonly processOf: (host: string) => number
  readonly mutant: Mutant | undefined
}

interface Asked {
  readonly from: number
  readonly id: number
}

/** The data of a node in one of its lives. */
export class Keeper {
  readonly keys = new SlotIndex()
  readonly #options: KeeperOptions
  readonly #engine: Engine
  readonly #bornMs: number
  readonly #seen = new Set<string>()
  readonly #waiting = new Map<Session, Asked>()
  /** Commands that are about keys on their way. */
  #held: { readonly from: number; readonly command: DataWire & { kind: 'command' } }[] = []
  /** What the other end of a transfer has been asked and has not answered. */
  readonly #sent = new Map<number, (text: string) => void>()
  #nextId = 1

  constructor(options: KeeperOptions) {
    this.#options = options
    this.#bornMs = options.virtualMs()
    this.#engine = new Engine({
      random: seededRandom(1),
      databases: 1,
      refuse: (session, command, args) => {
        if (session.isTrusted) return undefined
        const view = {
          topology: options.topology(),
          allowsReadsWhenDown: false,
          hasKey: (key: string) => this.valueOf(key) !== undefined,
          endpointOf: ({ host, port }: { host: string; port: number }) => `${host}:${port}`,
          mutant: options.mutant,
        }
        return redirection(view, session, command, args)
      },
    })
    const [database] = this.#engine.databases
    if (database !== undefined) database.keyIndex = this.keys
    const replayed = this.#engine.connect()
    replayed.isTrusted = true
    for (const args of options.changes) this.#engine.execute(replayed, args, options.nowMs())
    this.#engine.propagates = true
    this.#engine.cluster = this.#door()
  }

  get size(): number {
    return this.#engine.databases[0]?.size ?? 0
  }

  /** What a key has; undefined if it is not there. */
  valueOf(key: string): unknown {
    const [database] = this.#engine.databases
    return database?.has(key) === true ? String(database.find(key)?.value) : undefined
  }

  receive(from: number, message: DataWire): void {
    if (message.kind === 'reply') {
      const take = this.#sent.get(message.id)
      this.#sent.delete(message.id)
      take?.(message.text)
      return
    }
    const seen = `${from} ${message.id}`
    const { sentMs, untilMs } = message
    if (this.#seen.has(seen) || sentMs < this.#bornMs || untilMs < this.#options.virtualMs()) return
    this.#seen.add(seen)
    this.#run(from, message)
  }

  dropKeys(slots: readonly number[]): void {
    const keys = slots.flatMap((slot) => this.keys.keysIn(slot, KEYS_AT_ONCE))
    if (keys.length === 0) return
    const session = this.#engine.connect()
    session.isTrusted = true
    this.#perform(this.#engine.execute(session, ['DEL', ...keys], this.#options.nowMs()))
    this.#engine.disconnect(session)
  }

  #run(from: number, command: DataWire & { kind: 'command' }): void {
    const session = this.#engine.connect()
    if (this.#engine.isHeld(session, command.args)) {
      this.#engine.disconnect(session)
      this.#held.push({ from, command })
      return
    }
    if (command.isAsking) session.asking = 1
    this.#waiting.set(session, { from, id: command.id })
    this.#perform(this.#engine.execute(session, command.args, this.#options.nowMs()))
    if (session.blocked === undefined) this.#answer(session)
  }

  /** Nothing is said before what it says is durable. */
  #answer(session: Session): void {
    const asked = this.#waiting.get(session)
    this.#waiting.delete(session)
    const text = Buffer.from(session.reply.take()).toString('latin1')
    this.#engine.disconnect(session)
    if (asked === undefined) return
    const reply = { kind: 'reply', id: asked.id, text } as const
    this.#options.write(
      () => {},
      () => this.#options.send(asked.from, reply),
    )
  }

  #perform(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'propagate') {
        const { args } = effect
        this.#options.write(
          () => this.#options.changes.push(args),
          () => {},
        )
      } else if (effect.kind === 'reply') this.#answer(effect.session)
      else if (effect.kind === 'migrate') this.#migrate(effect.transfer)
    }
  }

  #migrate(transfer: Transfer): void {
    const { nowMs, virtualMs, send, processOf, after } = this.#options
    const to = processOf(transfer.target.host)
    let left = 0
    let failure: string | undefined
    let isOver = false
    const end = (why: string | undefined): void => {
      if (isOver) return
      isOver = true
      const effects = this.#engine.intervene(nowMs(), () => this.#engine.endTransfer(transfer, why, true))
      this.#perform([...effects])
      const held = this.#held
      this.#held = []
      for (const { from, command } of held) this.#run(from, command)
    }
    const [sentMs, untilMs] = [virtualMs(), virtualMs() + TRANSFER_MS]
    for (let next = transfer.next(nowMs()); next !== undefined; next = transfer.next(nowMs())) {
      const args = next.map((arg) => (typeof arg === 'string' ? arg : Buffer.from(arg).toString('latin1')))
      const id = this.#nextId++
      left++
      this.#sent.set(id, (text) => {
        if (isOver) return
        if (text !== '+OK\r\n') failure ??= `ERR ${text.trim()}`
        left--
        if (left > 0) return
        // Answers may overtake each other here: only if all are well it is known which key has arrived.
        for (const _ of failure === undefined ? transfer.keys : []) transfer.answered(true)
        end(failure)
      })
      send(to, { kind: 'command', id, args, isAsking: true, sentMs, untilMs })
    }
    after(TRANSFER_LOCAL_MS, () => end('IOERR no answer'))
  }

  #door(): ClusterDoor {
    const { topology, order } = this.#options
    return {
      get topology() {
        return topology()
      },
      keys: this.keys,
      messageCounts: { sent: 0, received: 0 },
      isRedirection,
      published: () => {},
      order,
      failureReports: () => 0,
      offsetOf: () => 0,
      isDurable: true,
      whenDurable() {},
      waitingBytes: () => 0,
    }
  }
}
