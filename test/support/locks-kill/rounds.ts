// Rounds of one fault each on a real lock service under load: what its clients saw must have been possible, and it goes on.
import { type Random, seededRandom } from '../../../ts/io/random.ts'
import { checkLinearizable } from '../../../ts/testing/simulation/index.ts'
import { History, type Planted, REGISTER, readAll, runClient, runLocker } from './clients.ts'
import { IDS, RealCluster } from './cluster.ts'

const KEYS = 3
const CLIENTS = 6
const LOCKERS = 3
/** Writes that are answered before the fault, under it, and after it. */
const WRITES = 60
/** Longer than elections and calls take on a machine that is very busy. */
const PATIENCE_MS = 60_000

const FAULTS = ['kill', 'stop', 'cut', 'kill all'] as const
export type Fault = (typeof FAULTS)[number]

/** What rounds have come to. */
export interface Figures {
  readonly rounds: number
  readonly operations: number
  readonly acquisitions: number
  readonly faults: Readonly<Record<Fault, number>>
  /** From a fault of the leader to the answer of the first write that was asked for after it. */
  readonly failoversMs: readonly number[]
  /** What clients saw that cannot be; undefined if all of it can. */
  readonly complaint: string | undefined
}

/** Runs so many rounds on one cluster, or until something is wrong. @throws Error if it does not go on */
export async function runRounds(seed: number, rounds: number, planted?: Planted): Promise<Figures> {
  const random = seededRandom(seed)
  const cluster = await RealCluster.start()
  const failoversMs: number[] = []
  const faults: Record<Fault, number> = { kill: 0, stop: 0, cut: 0, 'kill all': 0 }
  let operations = 0
  let acquisitions = 0
  const owners = new Set<{ isHeld(): boolean; readonly token: number }>()
  const figures = (ran: number) => ({ rounds: ran, operations, acquisitions, faults, failoversMs })
  try {
    for (let round = 0; round < rounds; round++) {
      const draw = random.next()
      const fault = draw < 0.4 ? 'kill' : draw < 0.65 ? 'stop' : draw < 0.95 ? 'cut' : 'kill all'
      const isLeader = random.next() < 0.7
      const other = IDS[Math.floor(random.next() * IDS.length)] as number
      const victim = isLeader && cluster.leader !== 0 ? cluster.leader : other
      const seen = await runRound({ cluster, random, round, fault, victim, planted, owners })
      operations += seen.history.operations.length
      acquisitions += seen.history.acquisitions
      faults[fault]++
      if (victim === seen.leader && fault !== 'kill all') failoversMs.push(seen.recoveredMs)
      const complaint = seen.history.complaints[0] ?? complaintOf(seen.history)
      if (complaint !== undefined) {
        return { ...figures(round + 1), complaint: `round ${round}, ${fault} of ${victim}: ${complaint}` }
      }
    }
  } finally {
    await cluster.close()
  }
  return { ...figures(rounds), complaint: undefined }
}

interface Round {
  readonly cluster: RealCluster
  readonly random: Random
  readonly round: number
  readonly fault: Fault
  readonly victim: number
  readonly planted: Planted | undefined
  readonly owners: Set<{ isHeld(): boolean; readonly token: number }>
}

async function runRound({ cluster, random, round, fault, victim, planted, owners }: Round) {
  const history = new History()
  const ending = new AbortController()
  const { signal } = ending
  const keys = Array.from({ length: KEYS }, (_, i) => `round${round}/${i}`)
  const shared = { cluster, history, random, keys, planted, signal }
  const clients = Array.from({ length: CLIENTS }, (_, i) => runClient({ ...shared, name: `${round}.${i}` }))
  const lockers = Array.from({ length: LOCKERS }, () => runLocker(shared, owners))
  const everybody = Promise.all([...clients, ...lockers])
  try {
    await history.more(WRITES, PATIENCE_MS)
    const leader = cluster.leader
    const hurtAt = performance.now()
    await hurt(cluster, fault, victim)
    if (fault === 'kill all') await Promise.all(IDS.map((id) => cluster.restart(id)))
    await history.more(WRITES, PATIENCE_MS)
    const recoveredAt = history.answered.filter(({ callAt }) => callAt >= hurtAt).map(({ returnAt }) => returnAt)
    if (fault === 'kill') await cluster.restart(victim)
    if (fault === 'stop') cluster.resume(victim)
    cluster.heal()
    await history.more(WRITES, PATIENCE_MS)
    ending.abort()
    await everybody
    await readAll(shared)
    return { history, leader, recoveredMs: Math.min(...recoveredAt) - hurtAt }
  } finally {
    ending.abort()
    await everybody
  }
}

async function hurt(cluster: RealCluster, fault: Fault, victim: number): Promise<void> {
  if (fault === 'kill') await cluster.kill(victim)
  if (fault === 'stop') cluster.stop(victim)
  if (fault === 'cut') cluster.cutOff(victim)
  if (fault === 'kill all') await Promise.all(IDS.map((id) => cluster.kill(id)))
}

function complaintOf({ operations }: History): string | undefined {
  const verdict = checkLinearizable(operations, REGISTER)
  return verdict.outcome === 'linearizable' ? undefined : `${verdict.outcome}: the history of ${verdict.key}`
}
