// What is measured of replicated-kv: writes, reads of followers, catching up, failovers.
import { type Processes, pause } from '../../test/support/replicated-kv/processes.ts'
import { HttpClient } from './http-client.ts'

const VALUE = 'v'.repeat(100)
const WARMUP_MS = 300
/** What a follower has to catch up with. */
const CATCH_UP_BYTES = 64 * 1024 * 1024
const BATCH_WRITES = 500
const BATCH_VALUE_BYTES = 4096
const MAX_FAILURES = 10

/** How many ask, and for how long. */
export interface Load {
  readonly clients: number
  readonly seconds: number
}

/** Requests a second, and how long one takes, in milliseconds. */
export interface Figures {
  readonly rate: number
  readonly p50: number
  readonly p99: number
}

/** Lets clients ask for `seconds`, each the next request when the last one is answered; clients take turns with the ports. */
async function measure(
  ports: readonly number[],
  { clients, seconds }: Load,
  ask: (client: HttpClient, number: number) => Promise<void>,
): Promise<Figures> {
  const latencies: number[] = []
  let number = 0
  const began = performance.now()
  const counted = began + WARMUP_MS
  const end = counted + seconds * 1000
  const run = async (i: number): Promise<void> => {
    const client = await HttpClient.open(ports[i % ports.length] as number)
    try {
      for (let now = performance.now(); now < end; ) {
        await ask(client, number++)
        const done = performance.now()
        if (now >= counted) latencies.push(done - now)
        now = done
      }
    } finally {
      client.close()
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, i) => run(i)))
  const rate = latencies.length / ((performance.now() - counted) / 1000)
  return { rate, p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) }
}

export async function measureWrites(nodes: Processes, load: Load): Promise<Figures> {
  return measure([nodes.portOf(await nodes.leader())], load, async (client, number) => {
    const { status, text } = await client.get(`/set?key=key:${number % 10_000}&value=${VALUE}`)
    if (status !== 200) throw new Error(`a write failed: ${text}`)
  })
}

/** Reads, spread over so many nodes. @param query - How fresh they are. */
export async function measureReads(nodes: Processes, ids: readonly number[], load: Load, query = ''): Promise<Figures> {
  const ports = ids.map((id) => nodes.portOf(id))
  return measure(ports, load, async (client, number) => {
    const { status, text } = await client.get(`/get?key=key:${number % 1000}${query}`)
    if (status !== 200 && status !== 404) throw new Error(`a read failed: ${text}`)
  })
}

/** Stops a follower, writes, starts it again. @returns Megabytes a second until it has all of it, its start included */
export async function measureCatchUp(nodes: Processes): Promise<number> {
  let leader = await nodes.leader()
  const follower = nodes.running.find((id) => id !== leader) as number
  await nodes.end(follower, 'SIGKILL')
  const value = 'v'.repeat(BATCH_VALUE_BYTES)
  let bytes = 0
  let failures = 0
  for (let batch = 0; bytes < CATCH_UP_BYTES; ) {
    const writes = Array.from({ length: BATCH_WRITES }, (_, i) => [`c:${batch}:${i}`, value])
    const body = JSON.stringify(writes)
    const answer = await nodes.ask(leader, '/batch', { method: 'POST', body })
    if (answer?.status === 200) {
      batch++
      bytes += BATCH_WRITES * BATCH_VALUE_BYTES
      continue
    }
    // Where others have the machine for longer than an election takes, there is one; writing the same again does no harm.
    if (++failures > MAX_FAILURES) throw new Error(`a batch failed: ${answer?.body}`)
    leader = await nodes.leader()
  }
  const { committed } = JSON.parse((await nodes.ask(leader, '/status'))?.body ?? '{}') as { committed: number }
  const began = performance.now()
  nodes.start(follower)
  for (;;) {
    const answer = await nodes.ask(follower, '/status')
    if (answer?.status === 200 && (JSON.parse(answer.body) as { applied: number }).applied >= committed) break
    await pause()
  }
  return bytes / 1e6 / ((performance.now() - began) / 1000)
}

/** Kills the leader again and again. @returns For each, how long until another node took a write, in milliseconds */
export async function measureFailovers(nodes: Processes, kills: number): Promise<number[]> {
  const times: number[] = []
  for (let i = 0; i < kills; i++) {
    const leader = await nodes.leader()
    const other = nodes.running.find((id) => id !== leader) as number
    const began = performance.now()
    await nodes.end(leader, 'SIGKILL')
    while ((await nodes.ask(other, `/set?key=kill&value=${i}`, { timeoutMs: 250 }))?.status !== 200) await pause()
    times.push(performance.now() - began)
    nodes.start(leader)
    await nodes.leader()
  }
  return times
}

export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN
}
