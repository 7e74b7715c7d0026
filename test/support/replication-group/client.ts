// Clients in the simulator: one operation after the other, on any member, and what they were told.
import type { NodeId, Position } from '../../../ts/distributed/raft/index.ts'
import { laterOf } from '../../../ts/distributed/replication/index.ts'
import type { Cancel } from '../../../ts/io/clock.ts'
import {
  chance,
  type Process,
  pick,
  type Simulation,
  untilNext,
  wholeBetween,
} from '../../../ts/testing/simulation/index.ts'
import type { Answer, Body, Wire } from './host.ts'
import { encodeWrite } from './machine.ts'
import type { Guarantee, Observer } from './observer.ts'

export interface ClientOptions {
  readonly id: number
  readonly simulation: Simulation<Wire>
  readonly observer: Observer
  readonly nodes: () => readonly NodeId[]
  readonly keyCount: number
  readonly timeoutMs: number
  readonly thinkMs: number
  readonly readRate: number
  /** What reads ask for; one of these each. */
  readonly guarantees: readonly Guarantee[]
  readonly maxStalenessMs: number
  /** How much slower the clock of a member may be: what it takes for a millisecond may be that much more. */
  readonly maxDrift: number
}

interface Doing {
  readonly body: Body
  readonly key: number
  readonly value: number
  readonly callAt: number
}

export class Client implements Process<Wire> {
  isStopping = false
  isIdle = false
  private readonly options: ClientOptions
  private doing: Doing | undefined
  private number = 0
  private values = 0
  private target: NodeId
  /** What it has seen or written. */
  private session: Position | undefined
  private cancelTimeout: Cancel | undefined

  constructor(options: ClientOptions) {
    this.options = options
    this.target = pick(options.simulation.random, options.nodes())
    options.simulation.after(options.id, 1, () => this.begin())
  }

  receive(from: number, message: Wire): void {
    if (message.kind !== 'response' || message.number !== this.number || this.doing === undefined) return
    this.finish(this.doing, from, message.answer)
  }

  private begin(): void {
    if (this.isStopping) {
      this.isIdle = true
      return
    }
    const { simulation, readRate, keyCount, guarantees, maxStalenessMs, nodes, id, timeoutMs } = this.options
    const { random } = simulation
    const key = wholeBetween(random, 1, keyCount)
    const value = id * 100_000 + ++this.values
    const isRead = chance(random, readRate)
    const body: Body = isRead
      ? { kind: 'read', key, guarantee: pick(random, guarantees), session: this.session, maxStalenessMs }
      : { kind: 'write', command: encodeWrite({ key, value }) }
    if (isRead) this.target = pick(random, nodes())
    this.doing = { body, key, value, callAt: simulation.nowMs }
    const number = ++this.number
    simulation.send(id, this.target, { kind: 'request', number, body })
    this.cancelTimeout = simulation.after(id, timeoutMs, () => {
      if (this.number !== number || this.doing === undefined) return
      this.target = pick(random, nodes())
      this.rest()
    })
  }

  private finish(doing: Doing, by: NodeId, answer: Answer): void {
    this.cancelTimeout?.()
    const { observer, simulation, nodes } = this.options
    const { key, value, callAt } = doing
    const told = { key, callAt, returnAt: simulation.nowMs, by }
    switch (answer.kind) {
      case 'written':
        observer.wrote({ ...told, client: this.options.id, value, position: answer.position })
        this.session = this.after(answer.position)
        break
      case 'value':
        observer.read(this.readDone(doing, answer, by))
        this.session = this.after(answer.position)
        break
      case 'conflict':
        observer.conflicts++
        this.session = undefined
        break
      default:
        this.target = answer.leader ?? pick(simulation.random, nodes())
    }
    this.rest()
  }

  private readDone({ body, key, callAt }: Doing, answer: Answer & { kind: 'value' }, by: NodeId) {
    const { id, simulation, maxStalenessMs, maxDrift } = this.options
    const guarantee = body.kind === 'read' ? body.guarantee : 'none'
    const returnAt = simulation.nowMs
    const { value, position } = answer
    // A member counts its milliseconds: they may be longer than true ones. What it answers it has read after the call.
    const boundMs = maxStalenessMs / (1 - maxDrift)
    const coversUntil = guarantee === 'linearizable' ? callAt : callAt - boundMs
    const session = body.kind === 'read' ? body.session : undefined
    return { client: id, guarantee, key, value, callAt, returnAt, by, position, session, coversUntil }
  }

  private after(position: Position): Position {
    return this.session === undefined ? position : laterOf(this.session, position)
  }

  private rest(): void {
    const { simulation, id, thinkMs } = this.options
    this.doing = undefined
    this.number++
    if (this.isStopping) this.isIdle = true
    else simulation.after(id, untilNext(simulation.random, thinkMs), () => this.begin())
  }
}
