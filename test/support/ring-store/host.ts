// One life of a node in the simulator: does what the engine says, on a disk that loses what was not synced.
import { BedplateError } from '../../../ts/base/errors.ts'
import type {
  Effect,
  Event,
  Hint,
  Message,
  Notes,
  Outcome,
  StoreNode,
  Versions,
} from '../../../ts/distributed/ring/store/index.ts'
import type { Process, ProcessId, Simulation } from '../../../ts/testing/simulation/index.ts'
import { MapStore } from './map-store.ts'

/** What goes over the simulated network. */
export type Wire =
  | { readonly kind: 'peer'; readonly message: Message }
  | { readonly kind: 'ask'; readonly id: number; readonly event: Asked }
  | { readonly kind: 'told'; readonly id: number; readonly outcome: Outcome }

/** A request; its id is the asker's until the node's host gives it another. */
export type Asked = Event & { readonly kind: 'put' | 'get' | 'change' | 'repair' }

/** What a node has on disk. */
export interface Durable {
  lives: number
  readonly versions: Map<string, Versions>
  readonly hints: Map<string, Map<string, Hint>>
  notes: Partial<Notes>
}

const TICK_MS = 10
/** Until a node whose disk was full is started again. */
const RESTART_MS = 100

/** One life of a node. */
export class Host implements Process<Wire> {
  readonly node: StoreNode
  private readonly id: ProcessId
  private readonly durable: Durable
  private readonly simulation: Simulation<Wire>
  /** What the node sees: also what is not on disk yet. */
  private readonly visible: MapStore
  private readonly asked = new Map<number, { readonly asker: ProcessId; readonly id: number }>()
  private nextAsked = 1

  constructor(id: ProcessId, durable: Durable, simulation: Simulation<Wire>, open: (store: MapStore) => StoreNode) {
    this.id = id
    this.durable = durable
    this.simulation = simulation
    this.visible = new MapStore(durable.versions)
    this.node = open(this.visible)
    this.tick()
  }

  receive(from: ProcessId, wire: Wire): void {
    if (wire.kind === 'peer') this.step({ kind: 'message', from: `n${from}`, message: wire.message })
    else if (wire.kind === 'ask') this.ask(from, wire.id, wire.event)
  }

  ask(asker: ProcessId, id: number, event: Asked): void {
    const own = this.nextAsked++
    this.asked.set(own, { asker, id })
    try {
      this.step({ ...event, id: own })
    } catch (error) {
      // An operator may ask for what cannot be.
      if (event.kind !== 'change' || !(error instanceof BedplateError)) throw error
    }
  }

  private tick(): void {
    this.simulation.after(this.id, TICK_MS, () => {
      this.step({ kind: 'tick' })
      this.tick()
    })
  }

  private step(event: Event): void {
    for (const effect of this.node.step(event)) this.perform(effect)
  }

  private perform(effect: Effect): void {
    const { simulation, durable, id } = this
    switch (effect.kind) {
      case 'persist': {
        const { key, versions } = effect
        this.visible.set(key, versions)
        this.write(effect.write, () => {
          if (versions === undefined) durable.versions.delete(key)
          else durable.versions.set(key, versions)
        })
        return
      }
      case 'persistHint': {
        const { target, key, hint } = effect
        this.write(effect.write, () => setHint(durable.hints, target, key, hint))
        return
      }
      case 'persistNotes':
        this.write(effect.write, () => {
          durable.notes = { ...durable.notes, ...effect.notes }
        })
        return
      case 'send':
        simulation.send(id, Number(effect.to.slice(1)), { kind: 'peer', message: effect.message })
        return
      case 'reply': {
        const asked = this.asked.get(effect.id)
        this.asked.delete(effect.id)
        if (asked === undefined || asked.asker === 0) return
        simulation.send(id, asked.asker, { kind: 'told', id: asked.id, outcome: effect.outcome })
      }
    }
  }

  private write(write: number, apply: () => void): void {
    this.simulation.write(
      this.id,
      apply,
      () => this.step({ kind: 'persisted', write }),
      () => {
        const { simulation, id } = this
        simulation.crash(id)
        simulation.later(RESTART_MS, () => simulation.restart(id))
      },
    )
  }
}

export function setHint(
  hints: Map<string, Map<string, Hint>>,
  target: string,
  key: string,
  hint: Hint | undefined,
): void {
  const kept = hints.get(target) ?? new Map<string, Hint>()
  if (hint === undefined) kept.delete(key)
  else kept.set(key, hint)
  hints.set(target, kept)
}
