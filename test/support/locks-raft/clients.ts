// Clients in the simulator: of keys, whose histories must be linearizable, and of one lock, held by leases.
import { Command, outcomeOf, type Result } from '../../../ts/distributed/locks/command.ts'
import { Answer as LeaderAnswer, Query } from '../../../ts/distributed/locks/replicated/queries.ts'
import { ifCreatedAt, putRequest } from '../../../ts/distributed/locks/server/turn.ts'
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
import type { Observations } from './observations.ts'

/** What a client does to a key. */
export type Input =
  | { readonly kind: 'read' }
  | { readonly kind: 'put'; readonly value: string }
  /** Creates the key if it is not there; the output says whether it was not. */
  | { readonly kind: 'create'; readonly value: string }
  | { readonly kind: 'remove' }

/** The value of one key; an empty one is none. */
export const KEY_MODEL: SequentialModel<string, Input, string> = {
  initial: '',
  step(value, input, output) {
    switch (input.kind) {
      case 'read':
        return output === undefined || output === value ? value : undefined
      case 'put':
        return input.value
      case 'create': {
        const happens = value === ''
        if (output !== undefined && (output === 'yes') !== happens) return undefined
        return happens ? input.value : value
      }
      default:
        return ''
    }
  },
  keyOf: (value) => value,
}

export interface ClientOptions {
  readonly id: number
  readonly simulation: Simulation<Wire>
  readonly observations: Observations
  readonly nodes: readonly number[]
  readonly timeoutMs: number
  readonly thinkMs: number
}

const NO_OP = { range: undefined, put: undefined, deleteRange: undefined, txn: undefined }
const OPEN = Number.POSITIVE_INFINITY

/** One request after the other, each to a member by chance; undefined says that nobody knows what became of it. */
abstract class Client implements Process<Wire> {
  isStopping = false
  isIdle = false
  protected readonly options: ClientOptions
  #waiting: { number: number; then: (answer: Answer | undefined) => void } | undefined

  constructor(options: ClientOptions) {
    this.options = options
    options.simulation.after(options.id, 1, () => this.begin())
  }

  receive(_: number, message: Wire): void {
    if (message.kind !== 'response' || message.number !== this.#waiting?.number) return
    const { then } = this.#waiting
    this.#waiting = undefined
    then(message.answer)
  }

  protected abstract begin(): void

  protected ask(body: Body, then: (answer: Answer | undefined) => void): void {
    const { simulation, id, nodes, timeoutMs, observations } = this.options
    const number = observations.nextNumber()
    this.#waiting = { number, then }
    simulation.send(id, pick(simulation.random, nodes), { kind: 'request', number, body })
    simulation.after(id, timeoutMs, () => {
      if (this.#waiting?.number !== number) return
      this.#waiting = undefined
      then(undefined)
    })
  }

  protected command(command: Command, then: (result: Result | 'refused' | 'unknown') => void): void {
    this.ask({ kind: 'command', command: Command.encode(command) }, (answer) => {
      if (answer?.kind === 'result') {
        try {
          then(outcomeOf(answer.bytes))
        } catch {
          then('refused')
        }
      } else then(answer?.kind === 'failed' && answer.isCertain ? 'refused' : 'unknown')
    })
  }

  protected later(ms: number, act: () => void): void {
    this.options.simulation.after(this.options.id, ms, act)
  }

  /** Begins anew after a while, unless it is to stop. */
  protected again(): void {
    if (this.isStopping) this.isIdle = true
    else this.later(untilNext(this.options.simulation.random, this.options.thinkMs), () => this.begin())
  }
}

/** Puts, creates, removes and reads a few keys. */
export class KeyClient extends Client {
  readonly history: Operation<Input, string>[] = []
  #sequence = 0

  protected begin(): void {
    if (this.isStopping) {
      this.isIdle = true
      return
    }
    const { simulation, id, observations } = this.options
    const { random } = simulation
    const key = `k${wholeBetween(random, 1, 3)}`
    const callAt = simulation.nowMs
    const before = observations.answeredRevision
    const value = `${id}.${++this.#sequence}`
    if (chance(random, 0.4)) {
      this.ask({ kind: 'read', key }, (answer) => {
        if (answer?.kind === 'value') {
          observations.sawRevision(id, answer.revision, before)
          this.#ended(key, { kind: 'read' }, answer.value, callAt)
        }
        this.again()
      })
      return
    }
    const kind = pick(random, ['put', 'put', 'create', 'remove'] as const)
    this.command(commandFor(kind, key, value), (result) => {
      if (result !== 'refused') {
        const input: Input = kind === 'remove' ? { kind } : { kind, value }
        if (result === 'unknown') this.#ended(key, input, undefined, callAt)
        else {
          const hasChanged = kind === 'put' || (kind === 'create' && result.txn?.succeeded === true)
          if (hasChanged) observations.wrote(id, result.revision, before)
          else observations.sawRevision(id, result.revision, before)
          this.#ended(key, input, kind === 'create' ? (hasChanged ? 'yes' : 'no') : 'done', callAt)
        }
      }
      this.again()
    })
  }

  #ended(key: string, input: Input, output: string | undefined, callAt: number): void {
    const returnAt = output === undefined ? OPEN : this.options.simulation.nowMs
    this.history.push({ key, input, callAt, returnAt, ...(output === undefined ? {} : { output }) })
  }
}

function commandFor(kind: 'put' | 'create' | 'remove', key: string, text: string): Command {
  const put = putRequest({ key, value: Buffer.from(text) })
  if (kind === 'put') return { put }
  if (kind === 'remove') return { deleteRange: { key, rangeEnd: '', prevKv: false } }
  return { txn: ifCreatedAt(key, 0, { success: [{ ...NO_OP, put }] }) }
}

const LOCK = 'lock'
const TTL_SECONDS = 2
/** As the library has it: given up before it can have ended elsewhere, however fast clocks are. */
const LOST_PART = 0.9
const RENEW_MS = 400

/** Takes the lock under a lease of its own, keeps it alive for a while, and lets go of it, or does not. */
export class LockClient extends Client {
  #lease: bigint | undefined
  #owns = false
  #aliveSinceMs = 0
  #leases = 0
  #heldUntilMs = 0

  protected begin(): void {
    if (this.isStopping) {
      this.#loseNow()
      this.isIdle = true
      return
    }
    if (this.#lease === undefined) this.#grant()
    else if (this.#owns) this.#hold()
    else this.#acquire(this.#lease)
  }

  get #nowMs(): number {
    return this.options.simulation.monotonic(this.options.id) / 1e6
  }

  #grant(): void {
    const asked = this.#nowMs
    const id = BigInt(this.options.id) * 1_000_000n + BigInt(++this.#leases)
    this.command({ grant: { id, ttlSeconds: TTL_SECONDS } }, (result) => {
      if (typeof result === 'object') {
        this.#lease = id
        this.#aliveSince(asked)
      }
      this.again()
    })
  }

  #acquire(lease: bigint): void {
    const put = putRequest({ key: LOCK, value: Buffer.from(String(lease)), lease })
    const command: Command = { txn: ifCreatedAt(LOCK, 0, { success: [{ ...NO_OP, put }] }) }
    this.command(command, (result) => {
      const isMine = typeof result === 'object' && result.txn?.succeeded === true
      // Without an answer it may be there, and goes with the lease. Too late, it is not believed in.
      if (isMine && this.#lease === lease && this.#nowMs < this.#aliveSinceMs + LOST_PART * TTL_SECONDS * 1000) {
        const { observations, simulation, id } = this.options
        observations.owns(id, result.revision)
        this.#owns = true
        this.#heldUntilMs = this.#nowMs + untilNext(simulation.random, 3000)
      }
      if (result === 'refused' || result === 'unknown') this.#renew(lease, () => this.again())
      else this.again()
    })
  }

  #hold(): void {
    const lease = this.#lease as bigint
    if (this.#nowMs < this.#heldUntilMs) {
      this.#renew(lease, () => this.later(RENEW_MS, () => this.begin()))
      return
    }
    this.#loseNow()
    // Half of the time it says so; else the lease has to end by itself.
    if (chance(this.options.simulation.random, 0.5)) this.command({ revoke: { id: lease } }, () => this.again())
    else this.again()
  }

  #renew(lease: bigint, then: () => void): void {
    const asked = this.#nowMs
    this.ask({ kind: 'query', query: Query.encode({ renew: { id: lease } }) }, (answer) => {
      const told = answer?.kind === 'result' ? LeaderAnswer.decode(answer.bytes) : undefined
      if (told?.isLeading === true && this.#lease === lease) {
        if (told.isAlive) this.#aliveSince(asked)
        else this.#loseNow()
      }
      then()
    })
  }

  /** The lease lives at least for its time from then on. */
  #aliveSince(askedMs: number): void {
    this.#aliveSinceMs = askedMs
    const lease = this.#lease
    const lostMs = askedMs + LOST_PART * TTL_SECONDS * 1000
    this.later(Math.max(0, lostMs - this.#nowMs), () => {
      if (this.#lease === lease && this.#aliveSinceMs === askedMs) {
        if (this.#owns) this.options.observations.losses++
        this.#loseNow()
      }
    })
  }

  #loseNow(): void {
    if (this.#owns) this.options.observations.disowns(this.options.id)
    this.#owns = false
    this.#lease = undefined
  }
}
