// Clients in the simulator: one operation after the other, asked again until somebody answers, and what they saw.
import { encodeCommand, type NodeId, type SessionCommand } from '../../../ts/distributed/raft/index.ts'
import type { Cancel } from '../../../ts/io/clock.ts'
import {
  chance,
  type Operation,
  type Process,
  pick,
  type SequentialModel,
  type Simulation,
  untilNext,
  wholeBetween,
} from '../../../ts/testing/simulation/index.ts'
import type { Answer, Body, Wire } from './host.ts'
import { Violation } from './invariants.ts'
import { chain, chainCommand, chainResult } from './machine.ts'

/** What a client does to a key: reads it, or mixes a number into it. */
export type Input = { readonly kind: 'read' } | { readonly kind: 'add'; readonly added: number }

/** A key alone. */
export const CHAIN_MODEL: SequentialModel<number, Input, number> = {
  initial: 0,
  step(value, input, output) {
    const after = input.kind === 'read' ? value : chain(value, input.added)
    return output === undefined || output === after ? after : undefined
  },
  keyOf: (value) => value,
}

export interface ClientOptions {
  readonly id: number
  readonly simulation: Simulation<Wire>
  readonly nodes: () => readonly NodeId[]
  readonly keyCount: number
  readonly timeoutMs: number
  readonly thinkMs: number
  readonly readRate: number
  readonly history: Operation<Input, number>[]
}

interface Doing {
  readonly key: number
  readonly input: Input
  readonly callAt: number
  readonly body: Body
}

export class Client implements Process<Wire> {
  isStopping = false
  /** Operations that were answered. */
  completed = 0
  private readonly options: ClientOptions
  private session: number | undefined
  private sequence = 0
  private doing: Doing | undefined
  private number = 0
  private target: NodeId
  private cancelTimeout: Cancel | undefined

  constructor(options: ClientOptions) {
    this.options = options
    this.target = pick(options.simulation.random, options.nodes())
    options.simulation.after(options.id, 1, () => this.next())
  }

  get isIdle(): boolean {
    return this.isStopping && this.doing === undefined && this.number === -1
  }

  /** What was asked and never answered. */
  get open(): Operation<Input, number> | undefined {
    if (this.doing === undefined || this.session === undefined) return undefined
    const { key, input, callAt } = this.doing
    return { key, input, callAt, returnAt: Number.POSITIVE_INFINITY }
  }

  receive(_: number, message: Wire): void {
    if (message.kind !== 'response' || message.number !== this.number || this.doing === undefined) return
    this.cancelTimeout?.()
    const { answer } = message
    if (answer.kind === 'failed') {
      const { simulation, nodes } = this.options
      this.target = answer.leader ?? pick(simulation.random, nodes())
      this.number++ // a copy of this answer says nothing about the next try
      simulation.after(this.options.id, this.options.thinkMs, () => this.ask())
      return
    }
    this.finish(this.doing, answer)
  }

  private finish(doing: Doing, answer: Answer): void {
    const { simulation, history } = this.options
    const output = this.outputOf(answer)
    this.doing = undefined
    if (output !== undefined) {
      history.push({ key: doing.key, input: doing.input, output, callAt: doing.callAt, returnAt: simulation.nowMs })
      this.completed++
    }
    this.number++
    if (this.isStopping) this.number = -1
    else simulation.after(this.options.id, untilNext(simulation.random, this.options.thinkMs), () => this.next())
  }

  /** @returns undefined if a session was opened. */
  private outputOf(answer: Answer): number | undefined {
    if (answer.kind === 'value') return answer.value
    if (answer.kind !== 'result') throw new Error('a failure is no output')
    const { result } = answer
    if (result.kind === 'opened') {
      this.session ??= result.session
      return undefined
    }
    if (result.kind !== 'done') throw new Violation('sessions', `client ${this.options.id} is told "${result.kind}"`)
    return chainResult(result.result)
  }

  private next(): void {
    if (this.isStopping) {
      this.number = -1
      return
    }
    const { simulation, keyCount, readRate } = this.options
    const { random } = simulation
    const key = wholeBetween(random, 1, keyCount)
    const callAt = simulation.nowMs
    if (this.session === undefined) {
      this.doing = { key, input: { kind: 'read' }, callAt, body: bodyOf({ kind: 'open' }) }
    } else if (chance(random, readRate)) {
      this.doing = { key, input: { kind: 'read' }, callAt, body: { kind: 'read', key } }
    } else {
      this.sequence++
      const added = this.options.id * 100_000 + this.sequence
      const body = bodyOf({
        kind: 'run',
        session: this.session,
        sequence: this.sequence,
        acknowledged: this.sequence - 1,
        command: chainCommand(key, added),
      })
      this.doing = { key, input: { kind: 'add', added }, callAt, body }
    }
    this.ask()
  }

  private ask(): void {
    const { doing } = this
    if (doing === undefined) return
    const { simulation, id, timeoutMs, nodes } = this.options
    const { number } = this
    simulation.send(id, this.target, { kind: 'request', number, body: doing.body })
    this.cancelTimeout = simulation.after(id, timeoutMs, () => {
      if (this.number !== number) return
      this.target = pick(simulation.random, nodes())
      this.ask()
    })
  }
}

function bodyOf(command: SessionCommand): Body {
  return { kind: 'command', command: encodeCommand(command) }
}
