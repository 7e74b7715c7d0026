// Real processes of replicated-kv that are killed and paused under load; what clients saw must be linearizable.
import { type Random, seededRandom } from '../../../ts/io/random.ts'
import {
  checkLinearizable,
  type Operation,
  type SequentialModel,
} from '../../../ts/testing/simulation/linearizability.ts'
import { directoryInMemory } from '../temporary-directory.ts'
import { Processes, pause, until } from './processes.ts'

const NODES = 3
const CLIENTS = 4
const KEYS = 4
/** An answer that takes longer is not waited for: what was asked may have happened. */
const ANSWER_MS = 3000
/** Operations of each client before a fault, at most. */
const MAX_BEFORE = 30
const OPERATIONS_AFTER = 30

type Input = { readonly set: string } | 'get'
type Output = string | null

const MODEL: SequentialModel<Output, Input, Output> = {
  initial: null,
  step: (state, input, output) => {
    if (input !== 'get') return input.set
    return output === undefined || output === state ? state : undefined
  },
  keyOf: (state) => state ?? '',
}

const FAULTS = ['kill leader', 'pause leader', 'kill follower'] as const

export interface HurtResult {
  readonly operations: number
  readonly unknown: number
  /** For each leader that failed, how long until another one took a write, in milliseconds. */
  readonly failoversMs: readonly number[]
}

/** Runs so many rounds on one cluster. @throws if what clients saw is not linearizable */
export async function hurtRounds(seed: number, rounds: number): Promise<HurtResult> {
  const random = seededRandom(seed)
  const { path, remove } = directoryInMemory()
  const nodes = await Processes.open(path, NODES)
  const history: Operation<Input, Output>[] = []
  const failoversMs: number[] = []
  try {
    await nodes.startAll(NODES)
    for (let round = 0; round < rounds; round++) {
      const load = new Load(nodes, random, round)
      const failover = await hurt(nodes, load, random)
      if (failover !== undefined) failoversMs.push(failover)
      history.push(...(await load.end()))
      for (let id = 1; id <= NODES; id++) if (!nodes.running.includes(id)) nodes.start(id)
      await nodes.leader()
    }
  } finally {
    await nodes.close()
    remove()
  }
  const verdict = checkLinearizable(history, MODEL)
  if (verdict.outcome !== 'linearizable') throw new Error(`${verdict.outcome}, key ${verdict.key}`)
  return {
    operations: history.length,
    unknown: history.filter(({ output }) => output === undefined).length,
    failoversMs,
  }
}

/** One fault under load. @returns How long no write was taken, if it was the leader's */
async function hurt(nodes: Processes, load: Load, random: Random): Promise<number | undefined> {
  const fault = FAULTS[Math.floor(random.next() * FAULTS.length)] as (typeof FAULTS)[number]
  await load.until(Math.ceil(random.next() * MAX_BEFORE))
  const leader = await nodes.leader()
  const others = nodes.running.filter((id) => id !== leader)
  const [first = 0, second = 0] = others
  if (fault === 'kill follower') {
    await nodes.end(first, 'SIGKILL')
    await load.until(load.count + OPERATIONS_AFTER)
    return undefined
  }
  const began = performance.now()
  if (fault === 'kill leader') await nodes.end(leader, 'SIGKILL')
  else nodes.signal(leader, 'SIGSTOP')
  while (!(await takes(nodes, first))) await pause()
  const failover = performance.now() - began
  load.aim([first, second])
  await load.until(load.count + OPERATIONS_AFTER)
  if (fault === 'pause leader') nodes.signal(leader, 'SIGCONT')
  return failover
}

/** Whether a node gets a write through, without waiting long. */
async function takes(nodes: Processes, id: number): Promise<boolean> {
  return (await nodes.ask(id, '/set?key=probe&value=1', { timeoutMs: 250 }))?.status === 200
}

/** Clients that set and get, each one after the other, and note what they see. */
class Load {
  count = 0
  readonly #nodes: Processes
  readonly #random: Random
  readonly #round: number
  readonly #history: Operation<Input, Output>[] = []
  readonly #clients: Promise<void>[]
  #targets: readonly number[]
  #isEnded = false

  constructor(nodes: Processes, random: Random, round: number) {
    this.#nodes = nodes
    this.#random = random
    this.#round = round
    this.#targets = nodes.running
    this.#clients = Array.from({ length: CLIENTS }, (_, client) => this.#run(client))
  }

  /** Asks these nodes alone from now on. */
  aim(targets: readonly number[]): void {
    this.#targets = targets
  }

  /** Waits until so many operations have succeeded. */
  until(count: number): Promise<void> {
    return until(() => this.count >= count)
  }

  async end(): Promise<readonly Operation<Input, Output>[]> {
    this.#isEnded = true
    await Promise.all(this.#clients)
    return this.#history
  }

  async #run(client: number): Promise<void> {
    for (let number = 0; !this.#isEnded; number++) {
      const key = `${this.#round}-${Math.floor(this.#random.next() * KEYS)}`
      const id = this.#targets[Math.floor(this.#random.next() * this.#targets.length)] as number
      const isSet = this.#random.next() < 0.5
      const value = `${client}-${number}`
      const callAt = performance.now()
      const path = isSet ? `/set?key=${key}&value=${value}` : `/get?key=${key}`
      const answer = await this.#nodes.ask(id, path, { timeoutMs: ANSWER_MS })
      const returnAt = performance.now()
      const isAnswered = answer?.status === 200 || (!isSet && answer?.status === 404)
      if (isSet)
        this.#history.push({ key, input: { set: value }, output: isAnswered ? '' : undefined, callAt, returnAt })
      else if (isAnswered) {
        const output = answer.status === 404 ? null : answer.body.slice(0, -1)
        this.#history.push({ key, input: 'get', output, callAt, returnAt })
      }
      if (isAnswered) this.count++
      else await pause()
    }
  }
}
