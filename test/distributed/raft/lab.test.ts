// The scenarios of MIT's Raft lab (6.5840, "Lab 3: Raft", parts A to D), told again on the simulator. Each runs with several
// seeds; the invariants of `Invariants` are checked after every event, so a scenario says only what should come of it.
import { describe, expect, it } from 'vitest'
import type { NodeId } from '../../../ts/distributed/raft/index.ts'
import { sample } from '../../../ts/testing/simulation/index.ts'
import { ELECTION_MS, Lab, type Started } from '../../support/raft/lab.ts'

const SEEDS = [1, 2, 3]

/** One scenario, once a seed. */
function tells(what: string, nodeCount: number, story: (lab: Lab) => void, snapshotEvery?: number): void {
  it(what, () => {
    for (const seed of SEEDS) {
      const raft = { keptEntries: snapshotEvery === undefined ? 1000 : 2, chunkBytes: 64 }
      story(new Lab({ seed, nodeCount, raft, ...(snapshotEvery === undefined ? {} : { snapshotEvery }) }))
    }
  })
}

function times(count: number, act: (i: number) => void): void {
  for (let i = 0; i < count; i++) act(i)
}

/** Gives a leader commands that it cannot commit. */
function inVain(lab: Lab, leader: NodeId, count: number): Started[] {
  return Array.from({ length: count }, () => lab.start(leader) as Started)
}

describe('3A: elections', () => {
  tells('initial election: one leader, one term, as long as nothing happens', 3, (lab) => {
    const leader = lab.leader()
    lab.runFor(50)
    const terms = lab.nodeIds.map((id) => lab.cluster.status(id).term)
    expect(new Set(terms).size).toBe(1)
    lab.runFor(2 * ELECTION_MS)
    expect(lab.nodeIds.map((id) => lab.cluster.status(id).term)).toEqual(terms)
    expect(lab.leader()).toBe(leader)
  })

  tells('election after network failure: with a majority there is a leader, without one there is none', 3, (lab) => {
    const first = lab.leader()
    lab.disconnect(first)
    const second = lab.leader()
    expect(second).not.toBe(first)
    lab.connect(first)
    lab.runFor(2 * ELECTION_MS)
    expect(lab.leader()).toBe(second) // who comes back disturbs nobody
    const other = lab.others(second)[0] as NodeId
    lab.disconnect(second, other)
    lab.runFor(2 * ELECTION_MS)
    expect(lab.leaders()).toEqual([])
    lab.connect(other)
    lab.leader()
    lab.connect(second)
    lab.leader()
  })

  tells('multiple elections: four of seven are enough, whichever four', 7, (lab) => {
    lab.leader()
    times(10, () => {
      const away = sample(lab.cluster.simulation.random, lab.nodeIds, 3)
      lab.disconnect(...away)
      lab.leader()
      lab.connect(...away)
    })
    lab.leader()
  })
})

describe('3B: the log', () => {
  tells('basic agreement: commands are executed by all, one behind the other', 3, (lab) => {
    const first = lab.agree(3)
    times(3, (i) => {
      const leader = lab.leader()
      const started = lab.start(leader) as Started
      expect(lab.executedBy(started)).toBe(0) // nothing is executed before it is agreed on
      lab.runFor(100)
      expect([started.index, lab.executedBy(started)]).toEqual([first + 1 + i, 3])
    })
  })

  tells('RPC byte count: a command goes to each follower once', 3, (lab) => {
    lab.agree(3)
    const before = lab.sent.bytes
    times(10, () => lab.agree(3, lab.command(5000)))
    const bytes = lab.sent.bytes - before
    expect(bytes).toBeGreaterThan(2 * 10 * 5000)
    expect(bytes).toBeLessThan(2 * 10 * 5000 + 20_000)
  })

  tells('progressive failure of followers: one may go, not two', 3, (lab) => {
    lab.agree(3)
    const leader = lab.leader()
    const [first, second] = lab.others(leader) as [NodeId, NodeId]
    lab.disconnect(first)
    lab.agree(2)
    lab.runFor(ELECTION_MS)
    lab.agree(2)
    expect(lab.leader()).toBe(leader)
    lab.disconnect(second)
    const started = inVain(lab, leader, 1)[0] as Started
    lab.runFor(2 * ELECTION_MS)
    expect(lab.executedBy(started)).toBe(0)
  })

  tells('failure of leaders: the next one goes on, and the last one alone does not', 3, (lab) => {
    lab.agree(3)
    lab.disconnect(lab.leader())
    lab.agree(2)
    lab.runFor(ELECTION_MS)
    lab.agree(2)
    lab.disconnect(lab.leader())
    const started = lab.nodeIds.flatMap((id) => lab.start(id) ?? [])
    lab.runFor(2 * ELECTION_MS)
    expect(started.map((each) => lab.executedBy(each)).every((count) => count === 0)).toBe(true)
  })

  tells('agreement after a follower reconnects: it gets what it missed', 3, (lab) => {
    lab.agree(3)
    const away = lab.others(lab.leader())[0] as NodeId
    lab.disconnect(away)
    times(2, () => lab.agree(2))
    lab.runFor(ELECTION_MS)
    times(2, () => lab.agree(2))
    lab.connect(away)
    lab.agree(3)
    lab.runFor(ELECTION_MS)
    lab.agree(3)
  })

  tells('no agreement if too many followers disconnect', 5, (lab) => {
    lab.agree(5)
    const leader = lab.leader()
    const away = lab.others(leader).slice(0, 3)
    lab.disconnect(...away)
    const started = inVain(lab, leader, 1)[0] as Started
    lab.runFor(2 * ELECTION_MS)
    expect(lab.executedBy(started)).toBe(0)
    lab.connect(...away)
    const next = lab.start(lab.leader()) as Started
    expect(next.index).toBeGreaterThanOrEqual(started.index)
    lab.agree(5)
  })

  tells('concurrent starts: each has an index of its own, and all are executed', 3, (lab) => {
    lab.agree(3)
    const leader = lab.leader()
    const started = inVain(lab, leader, 5)
    expect(new Set(started.map(({ index }) => index)).size).toBe(5)
    expect(new Set(started.map(({ term }) => term)).size).toBe(1)
    lab.runFor(200)
    expect(started.map((each) => lab.executedBy(each))).toEqual([3, 3, 3, 3, 3])
  })

  tells('rejoin of a partitioned leader: what it took alone gives way', 3, (lab) => {
    lab.agree(3)
    const first = lab.leader()
    lab.disconnect(first)
    const alone = inVain(lab, first, 3)
    lab.agree(2)
    const second = lab.leader()
    lab.disconnect(second)
    lab.connect(first)
    lab.agree(2)
    lab.connect(second)
    lab.agree(3)
    expect(alone.map((each) => lab.executedBy(each))).toEqual([0, 0, 0])
  })

  tells('leader backs up quickly over incorrect follower logs', 5, (lab) => {
    lab.agree(5)
    const first = lab.leader()
    const [ally, ...rest] = lab.others(first) as [NodeId, NodeId, NodeId, NodeId]
    lab.disconnect(...rest)
    const lost = inVain(lab, first, 50)
    lab.runFor(ELECTION_MS / 2)
    lab.disconnect(first, ally)
    lab.connect(...rest)
    times(50, () => lab.agree(3))
    const second = lab.leader()
    const other = rest.find((id) => id !== second) as NodeId
    lab.disconnect(other)
    lost.push(...inVain(lab, second, 50))
    lab.runFor(ELECTION_MS / 2)
    lab.disconnect(...lab.nodeIds)
    lab.connect(first, ally, other)
    times(50, () => lab.agree(3))
    lab.sent.refusals = 0
    lab.connect(...lab.nodeIds)
    lab.agree(5)
    expect(lab.sent.refusals).toBeLessThan(20)
    expect(lost.some((each) => lab.executedBy(each) > 0)).toBe(false)
  })

  tells('RPC counts are not too high: to elect, to agree, to be at rest', 3, (lab) => {
    lab.leader()
    expect(lab.sent.requests).toBeLessThan(30)
    lab.agree(3)
    const leader = lab.leader()
    lab.sent.requests = 0
    const started = inVain(lab, leader, 10)
    lab.cluster.simulation.runUntil(() => started.every((each) => lab.executedBy(each) === 3), 1000)
    expect(lab.sent.requests).toBeLessThan((10 + 1 + 3) * 3)
    lab.sent.requests = 0
    lab.runFor(1000)
    expect(lab.sent.requests).toBeLessThanOrEqual(2 * 100 + 2) // one heartbeat a tick to each follower
  })
})

describe('3C: persistence', () => {
  tells('basic persistence: nothing is lost when all crash, the leader, or a follower', 3, (lab) => {
    lab.agree(3)
    lab.crash(...lab.nodeIds)
    lab.restart(...lab.nodeIds)
    lab.agree(3)
    const first = lab.leader()
    lab.crash(first)
    lab.restart(first)
    lab.agree(3)
    const second = lab.leader()
    lab.crash(second)
    lab.agree(2)
    lab.restart(second)
    lab.agree(3)
    const follower = lab.others(lab.leader())[0] as NodeId
    lab.crash(follower)
    times(2, () => lab.agree(2))
    lab.restart(follower)
    lab.agree(3)
  })

  tells('more persistence: other majorities, each begun from disks', 5, (lab) => {
    times(5, () => {
      lab.agree(5)
      const leader = lab.leader()
      const [a, b, c, d] = lab.others(leader) as [NodeId, NodeId, NodeId, NodeId]
      lab.crash(a, b)
      lab.agree(3)
      lab.crash(leader, c, d)
      lab.restart(a, b)
      lab.runFor(ELECTION_MS)
      lab.restart(c)
      lab.agree(3)
      lab.restart(d, leader)
    })
    lab.agree(5)
  })

  tells('a partitioned leader and one follower crash, the leader starts again', 3, (lab) => {
    lab.agree(3)
    const leader = lab.leader()
    const [a, b] = lab.others(leader) as [NodeId, NodeId]
    lab.disconnect(b)
    lab.agree(2)
    lab.crash(leader, a)
    lab.connect(b)
    lab.restart(leader)
    lab.agree(2)
    lab.restart(a)
    lab.agree(3)
  })

  tells('figure 8: leaders crash before they have committed, over and over', 5, (lab) => {
    lab.agree(1)
    times(200, () => {
      const leader = lab.nodeIds.filter((id) => lab.cluster.simulation.isUp(id) && lab.start(id) !== undefined)[0]
      lab.runFor(lab.maybe(0.1) ? lab.between(0, ELECTION_MS / 2) : lab.between(0, 13))
      if (leader !== undefined) lab.crash(leader)
      const down = lab.nodeIds.filter((id) => !lab.cluster.simulation.isUp(id))
      if (down.length > 2) lab.restart(down[lab.between(0, down.length - 1)] as NodeId)
    })
    lab.restart(...lab.nodeIds)
    lab.agree(5)
  })

  tells('agreement on an unreliable network', 5, (lab) => {
    lab.network('unreliable')
    times(30, () => {
      lab.agree(1)
      const leader = lab.leaders()[0]
      if (leader !== undefined) times(4, () => lab.start(leader))
    })
    lab.network('reliable')
    lab.agree(5)
  })

  tells('figure 8 on an unreliable network, where messages come from other times', 5, (lab) => {
    lab.network('unreliable')
    lab.agree(1)
    times(200, (i) => {
      if (i === 50) lab.network('reordering')
      const leader = lab.connected.filter((id) => lab.start(id) !== undefined)[0]
      lab.runFor(lab.maybe(0.1) ? lab.between(0, ELECTION_MS / 2) : lab.between(0, 13))
      if (leader !== undefined && lab.maybe(0.5)) lab.disconnect(leader)
      const away = lab.others(...lab.connected)
      if (away.length > 2) lab.connect(away[lab.between(0, away.length - 1)] as NodeId)
    })
    lab.connect(...lab.nodeIds)
    lab.network('reliable')
    lab.agree(5)
  })

  tells('churn: nodes go and come while clients work', 5, (lab) => churn(lab))

  tells('churn on an unreliable network', 5, (lab) => {
    lab.network('unreliable')
    churn(lab)
  })
})

describe('3D: snapshots', () => {
  tells('basic', 3, (lab) => catchesUpBySnapshots(lab, () => () => {}), 10)

  tells('who was cut off is sent a snapshot', 3, (lab) => catchesUpBySnapshots(lab, cutOff), 10)

  tells(
    'who was cut off is sent a snapshot, on an unreliable network',
    3,
    (lab) => {
      lab.network('unreliable')
      catchesUpBySnapshots(lab, cutOff)
    },
    10,
  )

  tells('who crashed is sent a snapshot', 3, (lab) => catchesUpBySnapshots(lab, crash), 10)

  tells(
    'who crashed is sent a snapshot, on an unreliable network',
    3,
    (lab) => {
      lab.network('unreliable')
      catchesUpBySnapshots(lab, crash)
    },
    10,
  )

  tells(
    'all crash and start again from snapshots and logs',
    3,
    (lab) => {
      times(5, () => {
        times(lab.between(8, 12), () => lab.agree(3))
        const before = lab.agree(3)
        lab.crash(...lab.nodeIds)
        lab.restart(...lab.nodeIds)
        expect(lab.agree(3)).toBeGreaterThan(before)
      })
    },
    10,
  )

  tells(
    'a snapshot is still what a node begins with when it crashes again before the next one',
    3,
    (lab) => {
      times(12, () => lab.agree(3))
      times(3, () => {
        lab.crash(...lab.nodeIds)
        lab.restart(...lab.nodeIds)
        times(2, () => lab.agree(3))
      })
      const leader = lab.leader()
      const { appliedIndex } = lab.cluster.status(leader)
      lab.crash(...lab.nodeIds)
      lab.restart(...lab.nodeIds)
      for (const id of lab.nodeIds) expect(lab.cluster.status(id).appliedIndex).toBeGreaterThanOrEqual(10)
      expect(lab.agree(3)).toBeGreaterThan(appliedIndex)
    },
    10,
  )
})

function cutOff(lab: Lab, victim: NodeId): () => void {
  lab.disconnect(victim)
  return () => lab.connect(victim)
}

function crash(lab: Lab, victim: NodeId): () => void {
  lab.crash(victim)
  return () => lab.restart(victim)
}

/** Again and again one node misses more than the log keeps; every third time it is the leader. */
function catchesUpBySnapshots(lab: Lab, away: (lab: Lab, victim: NodeId) => () => void): void {
  lab.agree(3)
  times(15, (i) => {
    const leader = lab.leader()
    const follower = lab.others(leader)[i % 2] as NodeId
    const back = away(lab, i % 3 === 2 ? leader : follower)
    const sender = lab.leader()
    times(lab.between(10, 20), () => lab.start(sender))
    lab.agree(2)
    back()
    lab.agree(3)
  })
  const { entryCount } = lab.cluster.host(lab.leader())
  expect(entryCount).toBeLessThan(60) // the log is cut behind snapshots
}

/** Nodes are cut off, crash, start and come back at random, and clients see one machine that does what they ask once. */
function churn(lab: Lab): void {
  lab.agree(1)
  const clients = Array.from({ length: 3 }, () => lab.cluster.addClient({ thinkMs: 10 }))
  const random = (): NodeId => lab.nodeIds[lab.between(0, lab.nodeIds.length - 1)] as NodeId
  times(20, () => {
    if (lab.maybe(0.2)) lab.disconnect(random())
    if (lab.maybe(0.5)) {
      const id = random()
      lab.restart(id)
      lab.connect(id)
    }
    if (lab.maybe(0.2)) lab.crash(random())
    lab.runFor(ELECTION_MS / 5)
  })
  lab.connect(...lab.nodeIds)
  lab.restart(...lab.nodeIds)
  lab.network('reliable')
  lab.agree(5)
  lab.cluster.converge(10_000)
  expect(clients.every(({ completed }) => completed > 5)).toBe(true)
  expect(lab.cluster.checkHistory()).toBe(true)
}
