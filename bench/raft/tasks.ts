// What is measured: appends, failovers, the simulator.
import { runSeed } from '../../test/support/raft/run.ts'
import { type Processes, pause, type Target } from './clusters.ts'

const COMMAND = `SET key ${'v'.repeat(92)}` // 100 bytes
const WARMUP_APPENDS = 200
const SEED_EVENTS = 20_000

/** Appends a second, and how long one takes, in milliseconds. */
export interface AppendFigures {
  readonly rate: number
  readonly p50: number
  readonly p99: number
}

/** Lets clients append for `seconds`, each the next command when the last one is acknowledged. */
export async function measureAppends(target: Target, clients: number, seconds: number): Promise<AppendFigures> {
  for (let i = 0; i < WARMUP_APPENDS; i += clients) {
    await Promise.all(Array.from({ length: clients }, () => target.append(COMMAND)))
  }
  const latencies: number[] = []
  const started = performance.now()
  const end = started + seconds * 1000
  const client = async (): Promise<void> => {
    for (let now = performance.now(); now < end; ) {
      await target.append(COMMAND)
      const done = performance.now()
      latencies.push(done - now)
      now = done
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  const rate = latencies.length / ((performance.now() - started) / 1000)
  return { rate, p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) }
}

/** Kills the leader again and again. @returns For each kill, how long until another node acknowledged an append, in milliseconds. */
export async function measureFailover(processes: Processes, kills: number): Promise<number[]> {
  const times: number[] = []
  for (let i = 0; i < kills; i++) {
    const leader = await processes.leader()
    const other = processes.ids.find((id) => id !== leader) as number
    const killed = performance.now()
    await processes.kill(leader)
    while (!(await processes.tryAppend(other, `SET kill ${i}`))) await pause()
    times.push(performance.now() - killed)
    processes.start(leader)
    await processes.leader()
  }
  return times
}

/** Events a second of simulated clusters, faults, clients and checks included. */
export function measureSimulator(seconds: number): number {
  runSeed(0, { events: SEED_EVENTS }) // compiles what the others find
  const started = performance.now()
  let events = 0
  for (let seed = 1; performance.now() - started < seconds * 1000; seed++) {
    const result = runSeed(seed, { events: SEED_EVENTS })
    if (result.complaint !== undefined) throw new Error(`seed ${seed}: ${result.complaint}`)
    events += result.events
  }
  return events / ((performance.now() - started) / 1000)
}

export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN
}
