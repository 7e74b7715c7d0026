// Replication told as stories: what it promises in each mode, and what it does not.
import { describe, expect, it } from 'vitest'
import {
  failover,
  groupOf,
  lateAnswer,
  leaderAlone,
  leaseOutlived,
  lostSessionServed,
  lostWrite,
  positionOf,
  unconfirmedWrite,
  unevenHeartbeats,
} from '../../support/replication-group/scenarios.ts'

describe('mode sync', () => {
  it('acknowledges what is on the disk of every voter: any one of them alone would do', () => {
    const group = groupOf({ mode: 'sync' })
    const positions = [1, 2, 3].map((value) => positionOf(group.write(1, 1, value)))
    for (const id of group.nodeIds) for (const position of positions) expect(group.holds(id, position)).toBe(true)
  })

  it('lets writes wait for a voter that is down, and then says whom they lack', () => {
    expect(unconfirmedWrite()).toEqual([3])
  })

  it('acknowledges late what a voter confirms in time', () => {
    const group = groupOf({ mode: 'sync' })
    group.simulation.crash(3)
    const number = group.ask(1, { kind: 'write', command: Uint8Array.of(1, 9, 0, 0, 0) })
    group.simulation.runFor(300)
    expect(group.answers.has(number)).toBe(false)
    expect(group.read(1, 1)).toMatchObject({ value: 9 }) // it is committed, and may be seen
    group.simulation.restart(3)
    group.waitFor('the answer', () => group.answers.has(number))
    expect(group.answers.get(number)).toMatchObject({ kind: 'written' })
  })

  it('goes on without a voter that was taken out of the membership', () => {
    const group = groupOf({ mode: 'sync' })
    group.simulation.crash(3)
    group.step(1, { kind: 'change', id: -1, voters: [1, 2], learners: [] })
    group.waitFor('the change', () => group.status(1).membership.voters.length === 2)
    group.simulation.runFor(100)
    const number = group.ask(1, { kind: 'write', command: Uint8Array.of(1, 9, 0, 0, 0) })
    group.waitFor('the answer', () => group.answers.has(number))
    expect(group.answers.get(number)).toMatchObject({ kind: 'written' })
  })
})

describe('mode semi-sync', () => {
  it('acknowledges what a majority has, whoever else is down', () => {
    const group = groupOf({})
    group.simulation.crash(3)
    const position = positionOf(group.write(1, 1, 5))
    expect([1, 2, 3].map((id) => group.holds(id, position))).toEqual([true, true, false])
    group.simulation.crash(1)
    group.simulation.restart(3)
    group.waitFor('another leader', () => group.status(2).role === 'leader')
    expect(group.read(2, 1, { guarantee: 'linearizable' })).toMatchObject({ value: 5 })
  })
})

describe('mode async', () => {
  it('acknowledges and shows what is on the leader’s own disk, and followers show what is on theirs', () => {
    const group = groupOf({ mode: 'async' })
    group.filter = (_, to, message) => message.kind !== 'append' || to === 2
    group.simulation.stall(2)
    const position = positionOf(group.write(1, 1, 5))
    expect(group.status(1).commitIndex).toBeLessThan(position.index)
    expect(group.read(1, 1)).toMatchObject({ value: 5 })
    expect(group.read(2, 1)).toMatchObject({ value: 0 }) // it has it, and not on disk
    group.filter = (from, _, message) => from !== 2 || message.kind !== 'appended'
    group.simulation.unstall(2)
    group.simulation.runFor(50)
    expect(group.read(2, 1)).toMatchObject({ value: 5 })
  })

  it('may lose a write that a leader acknowledged alone: it is hidden, and a session that saw it is told', () => {
    const { group } = lostWrite()
    expect(group.read(1, 1)).toMatchObject({ value: 0 })
    expect(group.read(1, 2)).toMatchObject({ value: 8 })
    group.converge(5000)
    expect(group.observer.lostWrites(group.host(2).position)).toEqual([]) // told by nobody but this story
    expect(lostSessionServed()).toBe(false)
  })

  it('tells a session at once, also while the log is shorter than what was lost', () => {
    const { group } = lostWrite()
    const [far] = [{ term: 1, index: 500 }]
    expect(group.read(3, 1, { guarantee: 'session', session: far })).toEqual({ kind: 'conflict' })
  })

  it('does not take a tail that will be cut back for what a session has seen', () => {
    const group = groupOf({ mode: 'async' })
    const join = group.cutOff(1)
    for (const value of [1, 2, 3, 4]) group.write(1, 1, value)
    group.waitFor('another leader', () => group.status(2).role === 'leader')
    const seen = positionOf(group.write(2, 1, 9))
    const { readableIndex } = group.status(1)
    expect(readableIndex).toBeGreaterThan(seen.index)
    expect(group.host(1).node.covers(seen)).toBe('behind')
    join()
    group.waitFor('it has the other', () => group.host(1).node.covers(seen) === 'covered')
    expect(group.read(1, 1, { guarantee: 'session', session: seen })).toMatchObject({ value: 9 })
  })

  it('acknowledges nothing for long once the leader is alone', () => {
    const { acknowledged, lastAfterMs, leadersAtOnce } = leaderAlone()
    expect(acknowledged).toBeGreaterThan(0)
    expect(lastAfterMs).toBeLessThan(400)
    expect(leadersAtOnce).toBe(1)
  })

  it('refuses more than may wait to be committed', () => {
    const group = groupOf({ mode: 'async', raft: { maxUncommittedBytes: 100 } })
    group.filter = (_, __, message) => message.kind !== 'append'
    const kinds = [1, 2, 3, 4, 5, 6].map((value) => group.write(1, 1, value).kind)
    expect(kinds.filter((kind) => kind === 'written').length).toBeGreaterThan(1)
    expect(kinds.at(-1)).toBe('failed')
  })
})

describe('a failover', () => {
  it('prints who has failed, who leads and who follows', () => {
    expect(failover()).toEqual([
      '[Follower 2] Leader failed, starting election...',
      '[Follower 2] Elected as new leader',
      '[Follower 3] Following new leader: node-2',
    ])
  })

  it('fences the old leader, which comes back as a follower and loses its tail', () => {
    const { group } = lostWrite()
    expect(group.status(1)).toMatchObject({ role: 'follower', leader: 2 })
    expect(group.write(1, 3, 3)).toMatchObject({ kind: 'failed', leader: 2 })
  })

  it('does not happen for heartbeats that come unevenly', () => {
    expect(unevenHeartbeats()).toBe(false)
  })

  it('waits until the lease of the old leader is over', () => {
    expect(leaseOutlived()).toBe(false)
  })
})

describe('a follower', () => {
  it('that missed more than the log has catches up by a snapshot, in every mode', () => {
    for (const mode of ['sync', 'semi-sync', 'async'] as const) {
      const group = groupOf({ mode, snapshotEvery: 5, raft: { keptEntries: 0 }, replication: { confirmTicks: 2 } })
      group.simulation.crash(3)
      for (let value = 1; value <= 20; value++) group.write(1, value % 3, value)
      group.simulation.restart(3)
      group.converge(5000)
      expect(group.read(3, 2)).toMatchObject({ value: 20 })
    }
  })

  it('says how far it is behind, and the leader says it of each', () => {
    const group = groupOf({})
    group.cutOff(3)
    for (let value = 1; value <= 5; value++) group.write(1, 1, value)
    group.simulation.runFor(70)
    const { followers, lag } = group.status(1)
    expect(lag).toEqual({ entries: 0, bytes: 0, ticks: 0 })
    expect(followers.get(2)).toEqual({ entries: 0, bytes: 0, ticks: 0 })
    expect(followers.get(3)?.entries).toBe(5)
    expect(followers.get(3)?.bytes).toBe(5 * (24 + 5))
    expect(followers.get(3)?.ticks).toBeGreaterThan(6)
    expect(group.status(2).lag).toMatchObject({ entries: 0, bytes: 0 })
    expect(group.status(3).lag.ticks).toBeGreaterThan(6) // it only knows since when it has heard nothing
  })

  it('answers within a bound of staleness once the leader has named what that takes', () => {
    const group = groupOf({})
    group.write(1, 1, 1)
    expect(group.read(3, 1, { guarantee: 'bounded', maxStalenessMs: 50 })).toMatchObject({ value: 1 })
    const join = group.cutOff(3)
    group.write(1, 1, 2)
    group.simulation.runFor(100)
    const number = group.ask(3, { kind: 'read', key: 1, guarantee: 'bounded', session: undefined, maxStalenessMs: 50 })
    group.simulation.runFor(100)
    expect(group.answers.has(number)).toBe(false)
    join()
    group.waitFor('its answer', () => group.answers.has(number))
    expect(group.answers.get(number)).toMatchObject({ value: 2 })
  })

  it('does not take an answer that was under way for long for fresh', () => {
    expect(lateAnswer()).toBe(false)
  })
})
