// What clients see that ask for no guarantee, and what they see with it: the same group, the same seed, the same troubles.
import type { Mode } from '../../../ts/distributed/replication/index.ts'
import { NO_FAULTS } from '../../../ts/testing/simulation/index.ts'
import { ReplicationGroup } from './group.ts'
import type { Guarantee, Observer, ReadDone } from './observer.ts'
import { leaderAlone } from './scenarios.ts'

/** How often it happened, of how many that were looked at. */
export interface Count {
  readonly anomalies: number
  readonly of: number
}

export interface Comparison {
  readonly anomaly: string
  /** What is asked for, or which mode or rule it is that makes the difference. */
  readonly guarantee: string
  readonly without: Count
  readonly with: Count
}

const RUN_MS = 4000
const TROUBLE_MS = 400
const OUTAGE_MS = 250
const STALENESS_MS = 100
/** Messages take a while, so that followers are behind. */
const SLOW = { ...NO_FAULTS, network: { ...NO_FAULTS.network, meanDelayMs: 10 } }

/** All comparisons of one seed. */
export function compare(seed: number): Comparison[] {
  const reads = (guarantee: Guarantee, count: (observer: Observer, read: ReadDone) => boolean): Count => {
    const { observer } = runReaders(seed, guarantee)
    return { anomalies: observer.reads.filter((read) => count(observer, read)).length, of: observer.reads.length }
  }
  const compared = (
    anomaly: string,
    guarantee: Guarantee,
    count: (observer: Observer, read: ReadDone) => boolean,
  ): Comparison => ({ anomaly, guarantee, without: reads('none', count), with: reads(guarantee, count) })
  return [
    compared('stale read', 'linearizable', (observer, read) => isOlderThan(observer, read, 0)),
    compared('read older than 100 ms', 'bounded', (observer, read) => isOlderThan(observer, read, STALENESS_MS)),
    compared('own write not read', 'session', missesOwnWrite),
    compared('read goes back', 'session', goesBack),
    {
      anomaly: 'answer before its question',
      guarantee: 'session',
      without: dialogue(seed, false),
      with: dialogue(seed, true),
    },
    {
      anomaly: 'acknowledged write lost',
      guarantee: 'mode semi-sync',
      without: losses(seed, 'async'),
      with: losses(seed, 'semi-sync'),
    },
    {
      anomaly: 'two leaders acknowledge',
      guarantee: 'a majority is heard',
      without: splitBrain(false),
      with: splitBrain(true),
    },
  ]
}

/** Readers of any member, while followers are cut off in turn. */
function runReaders(seed: number, guarantee: Guarantee): ReplicationGroup {
  const group = new ReplicationGroup({ seed, mode: 'semi-sync', faults: SLOW })
  group.elect()
  for (let i = 0; i < 4; i++) {
    group.addClient({ guarantees: [guarantee], thinkMs: 10, readRate: 0.6, maxStalenessMs: STALENESS_MS })
  }
  trouble(group, () => {
    const follower = group.nodeIds.find((id) => id !== group.leader && group.status(id).role === 'follower')
    if (follower === undefined) return
    const join = group.cutOff(follower)
    group.simulation.later(OUTAGE_MS, join)
  })
  group.simulation.runFor(RUN_MS)
  group.converge(10_000)
  return group
}

function trouble(group: ReplicationGroup, strike: () => void): void {
  const end = group.simulation.nowMs + RUN_MS
  const again = (): void => {
    if (group.simulation.nowMs >= end) return
    strike()
    group.simulation.later(TROUBLE_MS, again)
  }
  group.simulation.later(TROUBLE_MS, again)
}

function isOlderThan(observer: Observer, read: ReadDone, ms: number): boolean {
  return observer.missedBy({ ...read, coversUntil: read.callAt - ms }, new Set()) !== undefined
}

function missesOwnWrite({ writes, contains }: Observer, read: ReadDone): boolean {
  const own = writes.findLast(({ client, returnAt }) => client === read.client && returnAt <= read.callAt)
  return own !== undefined && contains(read.position, own.position) === false
}

function goesBack({ reads, contains }: Observer, read: ReadDone): boolean {
  const before = reads.findLast(({ client, returnAt }) => client === read.client && returnAt <= read.callAt)
  return before !== undefined && contains(read.position, before.position) === false
}

/**
 * One asks (key 1) and, having been heard, somebody answers (key 2). An onlooker reads the answer from one follower, then the
 * question from another (Kleppmann, chapter 5, "Consistent Prefix Reads").
 */
function dialogue(seed: number, hasSession: boolean): Count {
  const group = new ReplicationGroup({ seed, mode: 'semi-sync', faults: SLOW, nodeCount: 5 })
  const leader = group.elect()
  group.simulation.runFor(200)
  const [near, far] = group.nodeIds.filter((id) => id !== leader) as [number, number]
  let anomalies = 0
  let of = 0
  for (let round = 1; round <= 20; round++) {
    const join = group.cutOff(far)
    group.write(leader, 1, round)
    group.write(leader, 2, round)
    group.simulation.runFor(60)
    const answer = group.read(near, 2)
    if (answer.kind !== 'value') continue
    const asked = group.ask(far, {
      ...{ kind: 'read', key: 1, maxStalenessMs: 0 },
      ...(hasSession ? { guarantee: 'session', session: answer.position } : { guarantee: 'none', session: undefined }),
    })
    group.simulation.runFor(30)
    join()
    group.waitFor('an answer', () => group.answers.has(asked))
    const question = group.answers.get(asked)
    if (question?.kind !== 'value') continue
    of++
    if (question.value < answer.value) anomalies++
  }
  return { anomalies, of }
}

/** Leaders are cut off in turn. */
function losses(seed: number, mode: Mode): Count {
  const group = new ReplicationGroup({ seed, mode, faults: SLOW })
  group.elect()
  for (let i = 0; i < 4; i++) group.addClient({ guarantees: ['none'], thinkMs: 5, readRate: 0.2 })
  trouble(group, () => {
    const { leader } = group
    if (leader !== undefined) group.simulation.later(OUTAGE_MS, group.cutOff(leader))
  })
  group.simulation.runFor(RUN_MS)
  group.converge(10_000)
  const final = group.host(group.leader as number).position
  return { anomalies: group.observer.lostWrites(final).length, of: group.observer.writes.length }
}

/** Writes that a leader takes for longer than the others need to elect another one. */
function splitBrain(isGuarded: boolean): Count {
  const { acknowledged, leadersAtOnce } = leaderAlone(
    isGuarded ? undefined : { without: 'alone no leader for long', applied: 0 },
  )
  return { anomalies: leadersAtOnce > 1 ? acknowledged : 0, of: acknowledged }
}

/** A table for people. */
export function showComparisons(comparisons: readonly Comparison[]): string {
  const cell = ({ anomalies, of }: Count): string => `${anomalies} of ${of}`.padEnd(16)
  return [
    `${'anomaly'.padEnd(28)}${'without'.padEnd(16)}${'with'.padEnd(16)}guarantee`,
    ...comparisons.map((each) => `${each.anomaly.padEnd(28)}${cell(each.without)}${cell(each.with)}${each.guarantee}`),
  ].join('\n')
}
