// Who moves slots in a simulated cluster, as redis-cli --cluster reshard does, and clients that read and write the keys of these slots
// all the time. One client has a key to itself, and one command under way: it knows what it has to read.
import { slotOf } from '../../../ts/cache/cluster/slots.ts'
import { chance, type Process, pick, type Simulation } from '../../../ts/testing/simulation/index.ts'
import type { Wire } from './host.ts'

/** Its place among the processes. */
export const MOVER_ID = 1000
const TAGS = ['a', 'b', 'c']
const KEYS_A_TAG = 4
/** Whoever asks gives up its connection after this; a little later it knows that nothing of it will come any more. */
const PATIENCE_MS = 250
const SILENCE_MS = 300
const AGAIN_MS = 15
const PAUSE_MS = 10
const PORT = 7000
/** Nodes may send a client to and fro as long as faults last. */
const MAX_HOPS = 1500

export interface MoverOptions {
  readonly simulation: Simulation<Wire>
  readonly ids: readonly number[]
  readonly ownerOf: (slot: number) => number
  readonly hostOf: (id: number) => string
  readonly nameOf: (id: number) => string
  /** Both know that the first one owns the slot, and in which epoch. */
  readonly agree: (from: number, to: number, slot: number) => boolean
}

/** Clients, and a tool. */
export class Mover implements Process<Wire> {
  readonly keys = TAGS.flatMap((tag) => Array.from({ length: KEYS_A_TAG }, (_, index) => `{${tag}}${index}`))
  /** What each key must have; undefined for none. */
  readonly expected = new Map<string, string>()
  readonly counts = { moves: 0, writes: 0, reads: 0, redirections: 0 }
  readonly #options: MoverOptions
  readonly #replies = new Map<number, (text: string | undefined) => void>()
  readonly #owners = new Map<number, number>()
  #nextId = 1
  #value = 0
  /** Clients and the tool, as far as they are at work. */
  #busy = 0
  #isStopping = false
  hasStarted = false

  constructor(options: MoverOptions) {
    this.#options = options
    for (const tag of TAGS) this.#owners.set(slotOf(tag), options.ownerOf(slotOf(tag)))
  }

  start(): void {
    this.hasStarted = true
    for (const key of this.keys) this.#client(key)
    this.#tool()
  }

  /** Lets what is under way come to its end. */
  stop(): void {
    this.#isStopping = true
  }

  get isIdle(): boolean {
    return this.#busy === 0
  }

  receive(_from: number, message: Wire): void {
    if (message.kind !== 'reply') return
    const take = this.#replies.get(message.id)
    this.#replies.delete(message.id)
    take?.(message.text)
  }

  // Clients.

  #client(key: string): void {
    if (this.#isStopping) return
    const { random } = this.#options.simulation
    this.#busy++
    const first = pick(random, this.#options.ids)
    const again = (): void => {
      this.#busy--
      this.#later(PAUSE_MS, () => this.#client(key))
    }
    if (chance(random, 0.4)) {
      this.#try(first, ['GET', key], false, (reply) => {
        const value = this.expected.get(key)
        const wanted = value === undefined ? '$-1\r\n' : `$${value.length}\r\n${value}\r\n`
        if (reply !== wanted) throw new Error(`${key} is read as ${JSON.stringify(reply)}, it has ${value}`)
        this.counts.reads++
        again()
      })
      return
    }
    // Nothing is deleted: after a MIGRATE that was not answered, as in Redis, that would bring back what the target may have.
    const value = String(++this.#value)
    this.#try(first, ['SET', key, value], false, () => {
      this.expected.set(key, value)
      this.counts.writes++
      again()
    })
  }

  /** Asks until somebody has answered, wherever that leads. What is asked twice must have the same effect. */
  #try(to: number, args: readonly string[], isAsking: boolean, then: (reply: string) => void, hops = 0): void {
    if (hops > MAX_HOPS) throw new Error(`${args.join(' ')} is sent to and fro`)
    this.#ask(to, args, isAsking, (reply) => {
      const { simulation, ids } = this.#options
      const [, kind, process] = /^-(MOVED|ASK) \d+ 10\.0\.0\.(\d+):/.exec(reply ?? '') ?? []
      if (kind !== undefined) {
        this.counts.redirections++
        this.#later(3, () => this.#try(Number(process), args, kind === 'ASK', then, hops + 1))
      } else if (reply === undefined || /^-(?:TRYAGAIN|CLUSTERDOWN)/.test(reply)) {
        this.#later(AGAIN_MS, () => this.#try(pick(simulation.random, ids), args, false, then, hops))
      } else if (reply.startsWith('-')) throw new Error(`${args.join(' ')} is answered with ${reply}`)
      else then(reply)
    })
  }

  #ask(to: number, args: readonly string[], isAsking: boolean, then: (reply: string | undefined) => void): void {
    const { simulation } = this.#options
    const id = this.#nextId++
    this.#replies.set(id, then)
    const sentMs = simulation.nowMs
    simulation.send(MOVER_ID, to, { kind: 'command', id, args, isAsking, sentMs, untilMs: sentMs + PATIENCE_MS })
    this.#later(SILENCE_MS, () => {
      if (this.#replies.delete(id)) then(undefined)
    })
  }

  // The tool.

  #tool(): void {
    if (this.#isStopping) return
    const { simulation, ids } = this.#options
    const { random } = simulation
    const slot = slotOf(pick(random, TAGS))
    const from = this.#owners.get(slot) as number
    const to = pick(
      random,
      ids.filter((id) => id !== from),
    )
    // As redis-cli does: a target that has not heard of the epoch of the source could not claim the slot with a higher one.
    if (!this.#options.agree(from, to, slot)) {
      this.#later(AGAIN_MS, () => this.#tool())
      return
    }
    this.#busy++
    simulation.note(`slot ${slot} is to go from ${from} to ${to}`)
    this.#prepare(slot, from, to, () => {
      this.#owners.set(slot, to)
      this.counts.moves++
      this.#busy--
      this.#later(2 * PAUSE_MS, () => this.#tool())
    })
  }

  #prepare(slot: number, from: number, to: number, done: () => void): void {
    const { nameOf, simulation } = this.#options
    const setSlot = (at: number, how: string, node: number, then: () => void): void =>
      this.#insist(at, ['CLUSTER', 'SETSLOT', String(slot), how, nameOf(node)], then)
    const move = (): void =>
      this.#moveKeys(slot, from, to, () =>
        setSlot(to, 'NODE', to, () => {
          // Not everybody is told: gossip does it. The source has to know before anything else is moved: if it took over another slot
          // meanwhile, it would claim this one again, with a higher epoch. In Redis, too: redis-cli tells it.
          if (chance(simulation.random, 0.5)) setSlot(from, 'NODE', to, done)
          else this.#untilAgreed(to, from, slot, done)
        }),
      )
    setSlot(to, 'IMPORTING', from, () =>
      setSlot(from, 'MIGRATING', to, () => {
        // Somebody in a hurry is refused as long as there are keys.
        if (chance(simulation.random, 0.3)) setSlot(from, 'NODE', to, move)
        else move()
      }),
    )
  }

  #untilAgreed(owner: number, other: number, slot: number, then: () => void): void {
    if (this.#options.agree(owner, other, slot)) then()
    else this.#later(AGAIN_MS, () => this.#untilAgreed(owner, other, slot, then))
  }

  #moveKeys(slot: number, from: number, to: number, done: () => void): void {
    const again = (): void => this.#moveKeys(slot, from, to, done)
    this.#ask(from, ['CLUSTER', 'GETKEYSINSLOT', String(slot), '2'], false, (reply) => {
      const keys = [...(reply ?? '').matchAll(/\r\n(\{[^\r]+)/g)].map(([, key]) => key as string)
      if (reply === '*0\r\n') done()
      else if (keys.length === 0) this.#later(AGAIN_MS, again)
      else {
        const host = this.#options.hostOf(to)
        const migrate = ['MIGRATE', host, String(PORT), '', '0', '100', 'REPLACE', 'KEYS', ...keys]
        this.#ask(from, migrate, false, () => this.#later(1, again))
      }
    })
  }

  /** Tells a node until it has answered; a refusal is an answer. */
  #insist(to: number, args: readonly string[], then: () => void): void {
    this.#ask(to, args, false, (reply) => {
      if (reply === undefined) this.#later(AGAIN_MS, () => this.#insist(to, args, then))
      else then()
    })
  }

  #later(afterMs: number, act: () => void): void {
    this.#options.simulation.later(afterMs, act)
  }
}
