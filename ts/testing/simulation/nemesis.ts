// Who breaks things: at random times, of the kinds that a plan allows, more often where it hurts.
import { assertNever } from '../../base/errors.ts'
import { between, chance, pick, sample, untilNext, wholeBetween } from './chance.ts'
import type { Simulation } from './simulation.ts'
import type { Havoc, NemesisPlan, ProcessId } from './types.ts'

/** Whom a nemesis may harm. */
export interface NemesisOptions<Message> {
  readonly simulation: Simulation<Message>
  readonly plan: NemesisPlan
  /** The processes as of now. Their links to others, such as clients, are cut with them. */
  readonly targets: () => readonly ProcessId[]
  /** All whom messages may come from or go to. */
  readonly everybody: () => readonly ProcessId[]
  /** The one that matters most at the moment, such as a leader. */
  readonly favourite?: () => ProcessId | undefined
  /**
   * Damages for good what a process has on disk. Only the caller knows how that shows, and how many may be damaged before
   * something may be lost: then every failure is a bug. Without it nothing is damaged. @returns False if it has done nothing.
   */
  readonly damage?: (kind: 'rot' | 'wipe', victim: ProcessId) => boolean
}

/** What is brief takes so much less time than usual: an outage that nobody notices, and that forgets what was not synced. */
const BRIEF_PART = 30

/** Breaks things until it is stopped; what it broke is then as broken as it was. `Simulation.heal` mends it. */
export class Nemesis<Message> {
  /** What it has done so far. */
  readonly strikes = new Map<Havoc, number>()
  private readonly options: NemesisOptions<Message>
  /** Those of the plan that it can do. */
  private readonly havoc: readonly Havoc[]
  private isStopped = false

  constructor(options: NemesisOptions<Message>) {
    this.options = options
    this.havoc = options.plan.havoc.filter((each) => !isDamage(each) || options.damage !== undefined)
    if (this.havoc.length > 0) this.wait()
  }

  stop(): void {
    this.isStopped = true
  }

  private wait(): void {
    const { simulation, plan } = this.options
    simulation.later(untilNext(simulation.random, plan.meanIntervalMs), () => {
      if (this.isStopped) return
      this.strike(pick(simulation.random, this.havoc))
      this.wait()
    })
  }

  private strike(havoc: Havoc): void {
    const { simulation } = this.options
    const { random, network } = simulation
    const targets = this.options.targets()
    const victim = this.victim(targets)
    const others = without(this.options.everybody(), victim)
    if (!isDamage(havoc)) this.count(havoc)
    switch (havoc) {
      case 'crash':
        simulation.crash(victim)
        this.undoLater(() => simulation.restart(victim))
        return
      case 'pause':
        simulation.pause(victim)
        this.undoLater(() => simulation.resume(victim))
        return
      case 'partition': {
        // Whom the victim is with is a minority more often than not: that is where old leaders live on.
        const allies = sample(random, without(targets, victim), wholeBetween(random, 0, targets.length - 2))
        const half = [victim, ...allies, ...this.companions(targets)]
        const rest = others.filter((id) => !half.includes(id))
        simulation.note(`partition: ${half.join(' ')} | ${rest.join(' ')}`)
        this.undoLater(network.separate(half, rest))
        return
      }
      case 'one-way': {
        const deaf = sample(random, others, wholeBetween(random, 1, others.length))
        const inwards = chance(random, 0.5)
        simulation.note(
          inwards ? `${victim} does not hear ${deaf.join(' ')}` : `${deaf.join(' ')} do not hear ${victim}`,
        )
        this.undoLater(inwards ? network.block(deaf, [victim]) : network.block([victim], deaf))
        return
      }
      case 'bridge': {
        const half = sample(random, without(targets, victim), Math.floor((targets.length - 1) / 2))
        const rest = without(targets, victim).filter((id) => !half.includes(id))
        simulation.note(`bridge: ${half.join(' ')} - ${victim} - ${rest.join(' ')}`)
        this.undoLater(network.separate(half, rest))
        return
      }
      case 'isolate': {
        const companions = this.companions(targets)
        simulation.note([`${victim} is alone`, ...companions].join(' with '))
        const rest = others.filter((id) => !companions.includes(id))
        this.undoLater(network.separate([victim], rest))
        return
      }
      case 'clog': {
        const to = pick(random, others)
        const durationMs = untilNext(random, this.options.plan.meanDurationMs)
        simulation.note(`${victim} -> ${to} is clogged for ${durationMs.toFixed(0)} ms`)
        network.clog(victim, to, simulation.nowMs + durationMs)
        return
      }
      case 'reset': {
        const to = pick(random, others)
        simulation.note(`what is under way between ${victim} and ${to} is lost`)
        network.reset(victim, to)
        return
      }
      case 'clock-jump': {
        const { maxJumpMs } = simulation.clock
        simulation.jump(victim, between(random, -maxJumpMs, maxJumpMs))
        return
      }
      case 'drift': {
        const { maxDrift } = simulation.clock
        const rate = between(random, 1 - maxDrift, 1 + maxDrift)
        simulation.setRate(victim, rate)
        simulation.note(`the clock of ${victim} runs at ${rate.toFixed(2)}`)
        return
      }
      case 'stall':
        simulation.stall(victim)
        this.undoLater(() => simulation.unstall(victim))
        return
      case 'full':
        simulation.fill(victim)
        this.undoLater(() => {
          simulation.free(victim)
          simulation.restart(victim)
        })
        return
      case 'rot':
      case 'wipe':
        if (this.options.damage?.(havoc, victim)) this.count(havoc)
        return
      default:
        assertNever(havoc)
    }
  }

  private count(havoc: Havoc): void {
    this.strikes.set(havoc, 1 + (this.strikes.get(havoc) ?? 0))
  }

  private victim(targets: readonly ProcessId[]): ProcessId {
    const { simulation, plan, favourite } = this.options
    const wanted = chance(simulation.random, plan.favouriteRate) ? favourite?.() : undefined
    return wanted ?? pick(simulation.random, targets)
  }

  /** Those of the others, such as clients, that stay with a victim: they see what it says while it is cut off. */
  private companions(targets: readonly ProcessId[]): ProcessId[] {
    const { random } = this.options.simulation
    const bystanders = this.options.everybody().filter((id) => !targets.includes(id))
    return sample(random, bystanders, wholeBetween(random, 0, bystanders.length))
  }

  private undoLater(undo: () => void): void {
    const { simulation, plan } = this.options
    const { random } = simulation
    const meanMs = chance(random, plan.briefRate) ? plan.meanDurationMs / BRIEF_PART : plan.meanDurationMs
    simulation.later(untilNext(random, meanMs), () => {
      if (!this.isStopped) undo() // a simulation that was healed has undone it
    })
  }
}

/** What is damaged stays so; it is the caller's to do. */
function isDamage(havoc: Havoc): havoc is 'rot' | 'wipe' {
  return havoc === 'rot' || havoc === 'wipe'
}

function without(ids: readonly ProcessId[], id: ProcessId): ProcessId[] {
  return ids.filter((each) => each !== id)
}
