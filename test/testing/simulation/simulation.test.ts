import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../ts/io/random.ts'
import {
  drawFaults,
  type FaultPlan,
  type Havoc,
  HEALTHY_NETWORK,
  Nemesis,
  NO_FAULTS,
  Simulation,
  simplifyFaults,
} from '../../../ts/testing/simulation/index.ts'
import { codeOf } from '../../support/errors.ts'

interface Seen {
  readonly from: number
  readonly text: string
  readonly atMs: number
}

/** Processes 1 to `count` that write down what they receive. */
function listeners(count: number, options: Partial<ConstructorParameters<typeof Simulation<string>>[0]> = {}) {
  const simulation = new Simulation<string>({ seed: 1, ...options })
  const seen = new Map<number, Seen[]>()
  for (let id = 1; id <= count; id++) {
    seen.set(id, [])
    simulation.add(id, () => ({
      receive: (from, text) => seen.get(id)?.push({ from, text, atMs: simulation.nowMs }),
    }))
  }
  const textsOf = (id: number): string[] => (seen.get(id) ?? []).map(({ text }) => text)
  return { simulation, textsOf, seen }
}

function sendNumbers(simulation: Simulation<string>, count: number): string[] {
  const texts = Array.from({ length: count }, (_, i) => String(i))
  for (const text of texts) simulation.send(1, 2, text)
  return texts
}

describe('the network', () => {
  it('delivers in order when it is healthy', () => {
    const { simulation, textsOf } = listeners(2)
    const sent = sendNumbers(simulation, 100)
    simulation.runFor(1000)
    expect(textsOf(2)).toEqual(sent)
  })

  it('loses, duplicates and reorders at the given rates', () => {
    const network = { ...HEALTHY_NETWORK, lossRate: 0.3, duplicateRate: 0.5, reorders: true }
    const { simulation, textsOf } = listeners(2, { network })
    sendNumbers(simulation, 10_000)
    simulation.runFor(1000)
    const received = textsOf(2)
    expect(new Set(received).size).toBeGreaterThan(6800)
    expect(new Set(received).size).toBeLessThan(7200)
    expect(received.length / new Set(received).size).toBeCloseTo(1.5, 1)
    expect(received).not.toEqual([...received].sort((a, b) => Number(a) - Number(b)))
  })

  it('is blocked one way only, until that is undone', () => {
    const { simulation, textsOf } = listeners(2)
    const undo = simulation.network.block([1], [2])
    simulation.send(1, 2, 'lost')
    simulation.send(2, 1, 'heard')
    simulation.runFor(100)
    undo()
    undo()
    simulation.send(1, 2, 'again')
    simulation.runFor(100)
    expect([textsOf(1), textsOf(2)]).toEqual([['heard'], ['again']])
  })

  it('stays blocked while one of two blocks stands', () => {
    const { simulation, textsOf } = listeners(3)
    const first = simulation.network.separate([1], [2, 3])
    const second = simulation.network.separate([1, 3], [2])
    first()
    simulation.send(1, 2, 'lost')
    simulation.send(1, 3, 'heard')
    simulation.runFor(100)
    second()
    simulation.send(1, 2, 'heard too')
    simulation.runFor(100)
    expect([textsOf(2), textsOf(3)]).toEqual([['heard too'], ['heard']])
  })

  it('holds back what is sent on a clogged way, and loses what is under way in a reset', () => {
    const { simulation, textsOf, seen } = listeners(2)
    simulation.network.clog(1, 2, 500)
    simulation.send(1, 2, 'late')
    simulation.runFor(400)
    expect(textsOf(2)).toEqual([])
    simulation.runFor(400)
    expect(seen.get(2)?.[0]?.atMs).toBeGreaterThan(500)
    simulation.send(1, 2, 'lost')
    simulation.network.reset(1, 2)
    simulation.send(1, 2, 'after')
    simulation.runFor(100)
    expect(textsOf(2)).toEqual(['late', 'after'])
  })
})

describe('a process', () => {
  it('that crashes loses timers, messages and what was not synced, and starts anew', () => {
    const simulation = new Simulation<string>({ seed: 1 })
    const disk: string[] = []
    const happened: string[] = []
    simulation.add(1, () => {
      happened.push(`starts with ${disk.join(' ') || 'nothing'}`)
      simulation.after(1, 50, () => happened.push('timer'))
      return { receive: (_, text) => happened.push(text) }
    })
    simulation.write(
      1,
      () => disk.push('a'),
      () => happened.push('a is durable'),
    )
    simulation.runFor(10)
    simulation.write(
      1,
      () => disk.push('b'),
      () => happened.push('b is durable'),
    )
    simulation.send(1, 1, 'hello')
    simulation.crash(1)
    simulation.runFor(100)
    simulation.restart(1)
    simulation.runFor(100)
    expect(happened).toEqual(['starts with nothing', 'a is durable', 'starts with a', 'timer'])
  })

  it('whose disk stalls waits for its syncs alone, and what was to end meanwhile ends when it goes on', () => {
    const { simulation, textsOf } = listeners(2)
    const done: string[] = []
    simulation.stall(1)
    simulation.write(
      1,
      () => {},
      () => done.push('durable'),
    )
    simulation.send(2, 1, 'heard')
    simulation.runFor(1000)
    expect([done, textsOf(1)]).toEqual([[], ['heard']])
    simulation.unstall(1)
    simulation.runFor(1)
    expect(done).toEqual(['durable'])
  })

  it('whose disk stalls and that crashes has not written what was waiting', () => {
    const { simulation } = listeners(1)
    const disk: string[] = []
    simulation.stall(1)
    simulation.write(
      1,
      () => disk.push('a'),
      () => disk.push('told'),
    )
    simulation.runFor(100)
    simulation.crash(1)
    simulation.restart(1)
    simulation.unstall(1)
    simulation.runFor(100)
    expect(disk).toEqual([])
  })

  it('whose disk is full is told, and writes nothing more in that life, also when there is space again', () => {
    const { simulation } = listeners(1)
    const log: string[] = []
    const write = (text: string): void =>
      simulation.write(
        1,
        () => log.push(text),
        () => {},
        () => log.push(`no space for ${text}`),
      )
    write('a')
    simulation.fill(1)
    write('b')
    simulation.free(1)
    write('c')
    simulation.runFor(100)
    expect(log).toEqual(['no space for b', 'no space for c', 'a'])
    simulation.crash(1)
    simulation.restart(1)
    write('d')
    simulation.runFor(100)
    expect(log.at(-1)).toBe('d')
  })

  it('whose disk was full while it stood still is up when all faults have ended', () => {
    const { simulation } = listeners(1)
    const end = (): void => simulation.crash(1)
    simulation.fill(1)
    simulation.write(
      1,
      () => {},
      () => {},
      end,
    )
    simulation.pause(1)
    simulation.runFor(100)
    simulation.heal()
    simulation.runFor(100)
    expect(simulation.isUp(1)).toBe(true)
  })

  it('that cannot start stays down, also when all faults end', () => {
    const simulation = new Simulation<string>({ seed: 1 })
    let isDamaged = false
    simulation.add(1, () => (isDamaged ? undefined : { receive: () => {} }))
    expect(simulation.isUp(1)).toBe(true)
    isDamaged = true
    simulation.crash(1)
    simulation.restart(1)
    simulation.heal()
    expect(simulation.isUp(1)).toBe(false)
  })

  it('that crashes may keep a prefix of what was not synced', () => {
    const kept = new Set<string>()
    for (let seed = 1; seed <= 50; seed++) {
      const storage = { minSyncMs: 1, maxSyncMs: 2, partialRate: 1 }
      const simulation = new Simulation<string>({ seed, storage })
      const disk: number[] = []
      simulation.add(1, () => ({ receive: () => {} }))
      for (let i = 1; i <= 3; i++)
        simulation.write(
          1,
          () => disk.push(i),
          () => {},
        )
      simulation.crash(1)
      kept.add(disk.join(' '))
    }
    expect([...kept].sort()).toEqual(['', '1', '1 2', '1 2 3'])
  })

  it('shares a sync with all that was written while another one ran', () => {
    const simulation = new Simulation<string>({ seed: 1, storage: { minSyncMs: 10, maxSyncMs: 10, partialRate: 0 } })
    const durable: string[] = []
    simulation.add(1, () => ({ receive: () => {} }))
    for (const name of ['a', 'b', 'c']) {
      simulation.write(
        1,
        () => {},
        () => durable.push(`${name} ${simulation.nowMs}`),
      )
    }
    simulation.runFor(100)
    expect(durable).toEqual(['a 10', 'b 20', 'c 20'])
  })

  it('that stands still catches up at once, while its monotonic clock went on', () => {
    const { simulation, textsOf } = listeners(2)
    simulation.pause(2)
    simulation.send(1, 2, 'a')
    simulation.after(2, 20, () => simulation.send(1, 2, 'timer'))
    simulation.runFor(100)
    expect(textsOf(2)).toEqual([])
    expect(simulation.monotonic(2)).toBe(100e6)
    simulation.resume(2)
    simulation.runFor(10)
    expect(textsOf(2)).toEqual(['a', 'timer'])
  })

  it('that stands still loses messages beyond a bound, and no timer and no sync', () => {
    const { simulation, textsOf } = listeners(2)
    const happened: string[] = []
    simulation.pause(2)
    for (let i = 0; i < 10_100; i++) simulation.send(1, 2, 'message')
    simulation.runFor(100)
    simulation.after(2, 1, () => happened.push('timer'))
    simulation.write(
      2,
      () => {},
      () => happened.push('sync'),
    )
    simulation.runFor(100)
    simulation.resume(2)
    simulation.runFor(10)
    expect(textsOf(2)).toHaveLength(10_000)
    expect(happened.sort()).toEqual(['sync', 'timer'])
  })

  it('cancels timers, also while it stands still, and then nothing happens', () => {
    const { simulation } = listeners(1)
    const happened: string[] = []
    const cancels = ['a', 'b', 'c'].map((name) => simulation.after(1, 20, () => happened.push(name)))
    cancels[0]?.()
    simulation.runFor(10)
    simulation.pause(1)
    simulation.runFor(20)
    cancels[1]?.()
    simulation.resume(1)
    simulation.runFor(10)
    expect([happened, simulation.trace.eventCount]).toEqual([['c'], 1])
  })

  it('has a clock that drifts within its bound, and a wall clock that jumps', () => {
    const { simulation } = listeners(50, { clock: { maxDrift: 0.2, maxJumpMs: 1000 } })
    simulation.runFor(1000)
    const rates = Array.from({ length: 50 }, (_, i) => simulation.monotonic(i + 1) / 1e9)
    expect(Math.min(...rates)).toBeGreaterThanOrEqual(0.8)
    expect(Math.max(...rates)).toBeLessThanOrEqual(1.2)
    expect(Math.max(...rates) - Math.min(...rates)).toBeGreaterThan(0.3)
    simulation.setRate(2, 0.5)
    const since = simulation.monotonic(2)
    simulation.runFor(100)
    expect(simulation.monotonic(2) - since).toBeCloseTo(50e6, 0)
    const before = simulation.wall(1)
    simulation.jump(1, -500)
    expect(simulation.wall(1)).toBe(before - 500)
    expect(simulation.monotonic(1)).toBeCloseTo((rates[0] as number) * 1.1e9, 0)
  })

  it('needs an id of its own', () => {
    const { simulation } = listeners(1)
    for (const id of [0, 1, 1024, 1.5]) {
      expect(codeOf(() => simulation.add(id, () => ({ receive: () => {} })))).toBe('INVALID_INPUT')
    }
    expect(codeOf(() => simulation.crash(7))).toBe('INVALID_INPUT')
  })
})

describe('a run', () => {
  it('is the same for the same seed, and another for another one', () => {
    const digests = [7, 7, 8].map((seed) => gossip(seed, drawFaults(seededRandom(seed), 50)).trace.digest)
    expect(digests[0]).toBe(digests[1])
    expect(digests[0]).not.toBe(digests[2])
  })

  it('tells what happened last, with the faults', () => {
    const { nemesis } = drawFaults(seededRandom(3), 50)
    const lines = gossip(3, { ...NO_FAULTS, nemesis: { ...nemesis, havoc: ['crash'] } }).trace.lines(String)
    expect(lines[0]).toMatch(/^\d+ events; the last 64 follow/)
    expect(lines.some((line) => /ms {2}-- \d crashes: \d+ unsynced writes lost/.test(line))).toBe(true)
    expect(lines.some((line) => /\d -> \d {2}gossip \d+/.test(line))).toBe(true)
  })

  it('counts what went wrong on purpose', () => {
    const faults = drawFaults(seededRandom(3), 50)
    const network = { ...faults.network, lossRate: 0.1, duplicateRate: 0.1, lateRate: 0.1 }
    const simulation = gossip(3, { ...faults, network, nemesis: { ...faults.nemesis, havoc: ['crash', 'pause'] } })
    const { lost, duplicated, late } = simulation.network.counts
    expect(Math.min(lost, duplicated, late)).toBeGreaterThan(10)
  })

  it('draws other faults from other seeds', () => {
    const plans = Array.from({ length: 200 }, (_, seed) => drawFaults(seededRandom(seed), 100))
    expect(plans.filter((plan) => plan.network.lossRate === 0).length).toBeGreaterThan(50)
    expect(plans.filter((plan) => plan.network.lossRate > 0.1).length).toBeGreaterThan(20)
    expect(new Set(plans.map((plan) => plan.nemesis.havoc.join(' '))).size).toBeGreaterThan(100)
  })

  it('that fails is made simpler until every fault that is left is needed', () => {
    const needed = (plan: FaultPlan): boolean => plan.nemesis.havoc.includes('crash') && plan.network.lossRate > 0
    const plans = Array.from({ length: 100 }, (_, seed) => drawFaults(seededRandom(seed), 100)).filter(needed)
    expect(plans.length).toBeGreaterThan(5)
    for (const plan of plans) {
      const { network, nemesis, clock } = simplifyFaults(plan, needed)
      expect(nemesis.havoc).toEqual(['crash'])
      expect([network.lossRate > 0, network.duplicateRate, network.reorders, clock.maxDrift]).toEqual([
        true,
        0,
        false,
        0,
      ])
    }
  })
})

describe('a nemesis', () => {
  /** Targets 1 to 3, bystanders 4 and 5; everybody writes to everybody every millisecond, and who hears whom is noted. */
  function suffer(havoc: Havoc, briefRate: number) {
    const { simulation, seen } = listeners(5)
    const ids = [1, 2, 3, 4, 5]
    const nemesis = new Nemesis({
      simulation,
      plan: { havoc: [havoc], meanIntervalMs: 200, meanDurationMs: 100, briefRate, favouriteRate: 1 },
      targets: () => [1, 2, 3],
      everybody: () => ids,
      favourite: () => 2,
    })
    let downMs = 0
    const companies = new Set<string>()
    for (let i = 0; i < 5000; i++) {
      for (const from of ids) for (const to of ids) if (from !== to) simulation.send(from, to, `${from}`)
      for (const id of ids) seen.get(id)?.splice(0)
      simulation.runFor(1)
      if (!simulation.isUp(2)) downMs++
      companies.add([...new Set(seen.get(2)?.map(({ from }) => from))].sort().join(''))
    }
    return { nemesis, downMs, companies: [...companies] }
  }

  it('leaves a victim with some of the bystanders, who see what it says then', () => {
    for (const havoc of ['isolate', 'partition'] as const) {
      const { companies, nemesis } = suffer(havoc, 0)
      expect(companies).toEqual(expect.arrayContaining(['', '4', '5', '45', '1345']))
      expect(nemesis.strikes.get(havoc)).toBeGreaterThan(10)
    }
  })

  it('can be brief', () => {
    const [brief, usual] = [suffer('crash', 1), suffer('crash', 0)]
    expect(usual.downMs).toBeGreaterThan(500)
    expect(brief.downMs).toBeGreaterThan(0)
    expect(brief.downMs * 10).toBeLessThan(usual.downMs)
  })

  /** Process 1 writes every millisecond; says how the writes ended, and how evenly its clock ran. */
  function write(havoc: Havoc, damage?: (kind: 'rot' | 'wipe', victim: number) => boolean) {
    const simulation = new Simulation<string>({ seed: 3, clock: { maxDrift: 0.2, maxJumpMs: 0 } })
    const counts = { done: 0, failed: 0, lives: 0, longestMs: 0 }
    simulation.add(1, () => {
      counts.lives++
      const next = (): void => {
        const beganMs = simulation.nowMs
        const failed = (): void => {
          counts.failed++
          simulation.later(0, () => simulation.crash(1))
        }
        const done = (): void => {
          counts.done++
          counts.longestMs = Math.max(counts.longestMs, simulation.nowMs - beganMs)
        }
        simulation.write(1, () => {}, done, failed)
        simulation.after(1, 1, next)
      }
      next()
      return { receive: () => {} }
    })
    const plan = { havoc: [havoc], meanIntervalMs: 200, meanDurationMs: 50, briefRate: 0, favouriteRate: 0 }
    const nemesis = new Nemesis({
      ...{ simulation, plan, targets: () => [1], everybody: () => [1, 2] },
      ...(damage === undefined ? {} : { damage }),
    })
    const rates = new Set<string>()
    for (let i = 0; i < 5000; i++) {
      const before = simulation.monotonic(1)
      simulation.runFor(1)
      rates.add(((simulation.monotonic(1) - before) / 1e6).toFixed(3))
    }
    return { ...counts, rates: [...rates].map(Number), strikes: nemesis.strikes.get(havoc) ?? 0 }
  }

  it('lets a disk stall, and go on', () => {
    const { done, failed, lives, longestMs, strikes } = write('stall')
    expect([failed, lives]).toEqual([0, 1])
    expect(done).toBeGreaterThan(3000)
    expect(longestMs).toBeGreaterThan(30)
    expect(strikes).toBeGreaterThan(10)
  })

  it('fills a disk, and starts who ended of it when there is space again', () => {
    const { done, failed, lives, strikes } = write('full')
    expect(failed).toBeGreaterThan(5)
    expect(lives).toBeGreaterThan(5)
    expect(done).toBeGreaterThan(2000)
    expect(strikes).toBeGreaterThanOrEqual(lives - 1)
  })

  it('changes the rate of a clock, within bounds', () => {
    const { rates } = write('drift')
    expect(rates.length).toBeGreaterThan(10)
    expect(Math.min(...rates)).toBeGreaterThanOrEqual(0.799)
    expect(Math.max(...rates)).toBeLessThanOrEqual(1.201)
  })

  it('damages disks only as its user does and allows', () => {
    let asked = 0
    const { strikes } = write('rot', () => ++asked % 2 === 0)
    expect(asked).toBeGreaterThan(10)
    expect(strikes).toBe(Math.floor(asked / 2))
    expect(write('wipe').strikes).toBe(0)
  })
})

/** Five processes that pass numbers on and write some of them down, under faults, then without. */
function gossip(seed: number, faults: FaultPlan): Simulation<string> {
  const simulation = new Simulation<string>({ seed, ...faults, digest: (text) => text.length })
  const ids = [1, 2, 3, 4, 5]
  for (const id of ids) {
    simulation.add(id, () => {
      const talk = (): void => {
        const to = 1 + Math.floor(simulation.random.next() * 5)
        simulation.write(
          id,
          () => {},
          () => simulation.send(id, to, `gossip ${simulation.nowMs.toFixed(0)}`),
        )
        simulation.after(id, 5, talk)
      }
      talk()
      return { receive: (from, text) => (text.length > 20 ? undefined : simulation.send(id, from, `${text}!`)) }
    })
  }
  const nemesis = new Nemesis({ simulation, plan: faults.nemesis, targets: () => ids, everybody: () => ids })
  simulation.runFor(2000)
  nemesis.stop()
  simulation.heal()
  simulation.runFor(100)
  return simulation
}
