// The nodes of a cluster on this machine that can be hurt: a process each, with a way to every one of them that can be cut.
import { BedplateError } from '../../base/errors.ts'
import type { Aside, Greeting, LinkId } from '../../distributed/link/index.ts'
import type { Address } from '../../io/network.ts'
import { NodeProcesses, type NodeProcessesOptions } from '../kit/node-processes.ts'
import type { Language } from './ear.ts'
import { Gate } from './gate.ts'

/** How a node is. */
export interface NodeState<Id extends LinkId = LinkId> {
  readonly id: Id
  readonly state: 'running' | 'paused' | 'down'
  /** For clients. */
  readonly port: number
  readonly pid: number | undefined
  /** From whom it is cut. */
  readonly cutFrom: readonly Id[]
}

/** Where a node is. */
export interface Place {
  /** Where clients come in. */
  readonly port: number
  /** Where it listens itself. */
  readonly node: Address
  /** Where the others come in: at a proxy, so that the way can be cut; undefined: at the node itself. */
  readonly gate: Address | undefined
}

export interface LocalNodesOptions<Id extends LinkId, H extends Greeting<Id>, M extends { readonly kind: string }>
  extends NodeProcessesOptions<Id> {
  readonly language: Language<Id, H, M>
  /** The command line of a node. */
  readonly argsOf: (id: Id) => readonly string[]
  /** Sees what nodes say to each other. `isLost`: it does not arrive. */
  readonly saw?: (from: Id, to: Id, message: M | Aside, isLost: boolean) => void
  /** The command that hurts nodes, for hints: `bedplate raft faults`. */
  readonly faults: string
}

export class LocalNodes<Id extends LinkId, H extends Greeting<Id>, M extends { readonly kind: string }> {
  /** Resolves once no node is left, unless all were killed here. */
  readonly allGone: Promise<void>
  readonly #options: LocalNodesOptions<Id, H, M>
  readonly #processes: NodeProcesses<Id>
  readonly #places = new Map<Id, Place>()
  readonly #gates = new Map<Id, Gate<Id, H, M>>()
  readonly #killed = new Set<Id>()
  /** By group, who does not hear those of other groups; undefined: all hear each other. */
  #sideOf: ((id: Id) => number) | undefined
  #gone: () => void = () => {}
  #isClosed = false

  constructor(options: LocalNodesOptions<Id, H, M>) {
    this.#options = options
    this.allGone = new Promise((resolve) => {
      this.#gone = resolve
    })
    this.#processes = new NodeProcesses({
      ...options,
      ended: (id, status, signal) => {
        this.#gates.get(id)?.shut()
        options.ended(id, status, signal)
        const areDown = this.ids.every((each) => this.#processes.stateOf(each) === 'down')
        if (areDown && this.ids.some((each) => !this.#killed.has(each))) this.#gone()
      },
    })
  }

  get ids(): Id[] {
    return [...this.#places.keys()]
  }

  states(): NodeState<Id>[] {
    return this.ids.map((id) => ({
      id,
      state: this.#processes.stateOf(id),
      port: (this.#places.get(id) as Place).port,
      pid: this.#processes.pidOf(id),
      cutFrom: this.ids.filter((other) => other !== id && this.#isCut(id, other)),
    }))
  }

  /** Where the others reach a node. Once it has been opened, its port is known. */
  addressOf(id: Id): Address {
    return this.#gates.get(id)?.address ?? (this.#places.get(id) as Place).node
  }

  /** Opens the way to a node that is not there yet. @throws UNAVAILABLE if its port is taken */
  async add(id: Id, place: Place): Promise<void> {
    this.#places.set(id, place)
    const { gate: listen, node: target } = place
    if (listen === undefined) return
    const { language, saw = () => {} } = this.#options
    const gate = new Gate({ to: id, listen, target, language, saw, isCut: (a, b) => this.#isCut(a, b) })
    this.#gates.set(id, gate)
    await gate.open()
  }

  /** Ends a node in order, for good. */
  async remove(id: Id): Promise<void> {
    await this.#processes.end(id)
    this.#gates.get(id)?.shut()
    this.#gates.delete(id)
    this.#places.delete(id)
  }

  /** Starts a node that is down, from its disk. @throws INVALID_INPUT for one that runs, UNAVAILABLE if its port is taken meanwhile */
  async start(id: Id): Promise<void> {
    this.#check(id)
    await this.#gates.get(id)?.open()
    if (this.#isClosed) return
    if (this.#processes.stateOf(id) !== 'down') throw refusal(`${named(id)} runs already`)
    this.#killed.delete(id)
    this.#processes.start(id, this.#options.argsOf(id))
  }

  /** Ends a node as a crash does. Resolves when it is gone. */
  async kill(id: Id): Promise<void> {
    this.#checkUp(id)
    this.#killed.add(id)
    await this.#processes.kill(id)
  }

  /** Lets a node stand still, with its connections open. */
  pause(id: Id): void {
    this.#checkUp(id)
    this.#processes.pause(id)
  }

  resume(id: Id): void {
    this.#checkUp(id)
    this.#processes.resume(id)
  }

  /** Cuts the ways between nodes of different groups. Nodes that are named nowhere are a group together. @throws INVALID_INPUT, NOT_SUPPORTED */
  partition(groups: readonly (readonly Id[])[]): void {
    const named = groups.flat()
    for (const id of named) this.#check(id)
    if (new Set(named).size !== named.length) throw refusal('a node is on one side only')
    if (this.#gates.size < this.#places.size) {
      throw new BedplateError('NOT_SUPPORTED', 'the ways between these nodes cannot be cut', {
        hint: 'they can where nodes listen on this machine alone, without TLS',
      })
    }
    this.#sideOf = (id) => groups.findIndex((group) => group.includes(id))
    this.#mend()
  }

  heal(): void {
    this.#sideOf = undefined
    this.#mend()
  }

  /** Ends all nodes in order, as SIGTERM does. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#processes.close()
    for (const gate of this.#gates.values()) gate.shut()
  }

  #isCut(one: Id, other: Id): boolean {
    const sideOf = this.#sideOf
    return sideOf !== undefined && sideOf(one) !== sideOf(other)
  }

  #mend(): void {
    for (const gate of this.#gates.values()) gate.mend()
  }

  #check(id: Id): void {
    if (this.#places.has(id)) return
    throw refusal(`there is no node ${JSON.stringify(id)}; there are ${this.ids.join(', ')}`)
  }

  #checkUp(id: Id): void {
    this.#check(id)
    if (this.#processes.stateOf(id) !== 'down') return
    throw new BedplateError('INVALID_INPUT', `${named(id)} is down`, { hint: `${this.#options.faults} start ${id}` })
  }
}

function named(id: LinkId): string {
  return typeof id === 'number' ? `node ${id}` : id
}

function refusal(message: string): BedplateError {
  return new BedplateError('INVALID_INPUT', message)
}
