// A cluster in one thread: virtual time, one source of randomness, one queue of events.
//
// Everything that happens is an event: a message that arrives, a timer, a sync that ends, something from outside. Between two
// events nothing happens, so invariants that hold after each of them hold always. What a run does follows from its seed and
// its plan of faults alone (the method of FoundationDB: Zhou et al., "FoundationDB", SIGMOD 2021, §4).
import { BedplateError } from '../../base/errors.ts'
import type { Cancel } from '../../io/clock.ts'
import { type Random, seededRandom } from '../../io/random.ts'
import { between } from './chance.ts'
import { EventQueue } from './event-queue.ts'
import { MAX_PROCESS_ID, Network } from './network.ts'
import { syncMs, UnsyncedWrites } from './storage.ts'
import { type EventKind, Trace } from './trace.ts'
import {
  type ClockFaults,
  HEALTHY_CLOCK,
  HEALTHY_NETWORK,
  HEALTHY_STORAGE,
  type NetworkFaults,
  type Process,
  type ProcessId,
  type StorageFaults,
} from './types.ts'

/** What a simulation starts with. */
export interface SimulationOptions<Message> {
  /** Names the run. Any whole number. */
  readonly seed: number
  readonly network?: NetworkFaults
  readonly storage?: StorageFaults
  readonly clock?: ClockFaults
  /** A number that tells messages apart, for the hash of the trace; without it only times and ways count. */
  readonly digest?: (message: Message) => number
  /** Is called after every event, and throws if something is true that must not be. */
  readonly afterEvent?: () => void
}

interface Event<Message> {
  timeMs: number
  order: number
  readonly kind: EventKind
  /** 0 if the event belongs to no process. */
  readonly process: ProcessId
  /** The life of the process that it belongs to; a message reaches any. */
  readonly life: number
  readonly from: ProcessId
  readonly ticket: number
  readonly message: Message | undefined
  /** Undefined for a message, and for a timer that was cancelled: that one does not happen. */
  fire: (() => void) | undefined
}

interface Host<Message> {
  readonly id: ProcessId
  readonly start: () => Process<Message> | undefined
  readonly writes: UnsyncedWrites
  process: Process<Message> | undefined
  /** Counts starts: what belongs to an earlier life does not happen. */
  life: number
  isPaused: boolean
  /** A sync that has not ended since the disk stalls; undefined if it does not stall. */
  stalled: Event<Message>[] | undefined
  isFull: boolean
  /** A write has failed: no later one of this life succeeds. */
  hasFailed: boolean
  /** What came while it stood still. */
  missed: Event<Message>[]
  /** Local milliseconds a millisecond of virtual time. */
  rate: number
  /** Local monotonic time at `rateSinceMs`, which is when the rate last changed. */
  localMs: number
  rateSinceMs: number
  /** What the wall clock has jumped. */
  jumpMs: number
}

const WALL_START_MS = 1_700_000_000_000
/** A paused process keeps so many events for later; messages on top are lost, as with a full socket buffer. */
const MAX_MISSED = 10_000

/**
 * Runs processes under faults, the same way for the same seed.
 *
 * @example
 * const simulation = new Simulation<string>({ seed: 42 })
 * simulation.add(1, () => ({ receive: (from, text) => simulation.send(1, from, `${text}, too`) }))
 * simulation.add(2, () => ({ receive: (_, text) => simulation.note(text) }))
 * simulation.send(2, 1, 'hello')
 * simulation.runFor(100)
 */
export class Simulation<Message> {
  readonly random: Random
  readonly network: Network
  readonly trace = new Trace()
  /** What disks and clocks do from now on. */
  storage: StorageFaults
  clock: ClockFaults
  private readonly options: SimulationOptions<Message>
  private readonly queue = new EventQueue<Event<Message>>()
  /** By id, which is small. */
  private readonly hosts: (Host<Message> | undefined)[] = []
  private time = 0
  private orders = 0

  constructor(options: SimulationOptions<Message>) {
    this.options = options
    this.random = seededRandom(options.seed)
    this.network = new Network(this.random, options.network ?? HEALTHY_NETWORK)
    this.storage = options.storage ?? HEALTHY_STORAGE
    this.clock = options.clock ?? HEALTHY_CLOCK
  }

  /** Virtual time since the start. */
  get nowMs(): number {
    return this.time
  }

  /**
   * Adds a process and starts it.
   * @param start - Makes what runs in it, now and after every crash, from what is durable. If it gives nothing, such as when
   *   what is durable is damaged, the process stays down.
   * @throws INVALID_INPUT if the id is taken or no whole number from 1 to 1023.
   */
  add(id: ProcessId, start: () => Process<Message> | undefined): void {
    if (!Number.isInteger(id) || id < 1 || id > MAX_PROCESS_ID || this.hosts[id] !== undefined) {
      throw new BedplateError('INVALID_INPUT', `a process needs a free id from 1 to ${MAX_PROCESS_ID}, got ${id}`)
    }
    const drift = this.clock.maxDrift
    const host: Host<Message> = {
      id,
      start,
      writes: new UnsyncedWrites(),
      process: undefined,
      life: 0,
      isPaused: false,
      stalled: undefined,
      isFull: false,
      hasFailed: false,
      missed: [],
      rate: drift === 0 ? 1 : between(this.random, 1 - drift, 1 + drift),
      localMs: 0,
      rateSinceMs: this.time,
      jumpMs: 0,
    }
    this.hosts[id] = host
    host.process = start()
  }

  /** Sends a message: it may be lost, be late, come twice. To itself it always arrives, at once. */
  send(from: ProcessId, to: ProcessId, message: Message): void {
    const times = from === to ? [this.time] : this.network.arrivals(from, to, this.time)
    const ticket = this.network.ticket(from, to)
    for (const timeMs of times) {
      const order = this.orders++
      this.queue.push({ timeMs, order, kind: 'message', process: to, life: 0, from, ticket, message, fire: undefined })
    }
  }

  /** Calls `fire` once after so much time on the clock of the process, unless it crashes before. */
  after(id: ProcessId, localMs: number, fire: () => void): Cancel {
    const event = this.schedule('timer', id, localMs / this.hostOf(id).rate, fire)
    return () => {
      event.fire = undefined
    }
  }

  /** Calls `fire` once after so much virtual time, whatever happens to processes. */
  later(afterMs: number, fire: () => void): void {
    this.schedule('outside', 0, afterMs, fire)
  }

  /** Nanoseconds on the monotonic clock of a process, which goes on through crashes and pauses but not evenly. */
  monotonic(id: ProcessId): number {
    const host = this.hostOf(id)
    return (host.localMs + (this.time - host.rateSinceMs) * host.rate) * 1e6
  }

  /** What the wall clock of a process shows: milliseconds since 1970. */
  wall(id: ProcessId): number {
    return WALL_START_MS + this.monotonic(id) / 1e6 + this.hostOf(id).jumpMs
  }

  /**
   * Writes something durable, in order with what the process wrote before.
   * @param apply - Changes the durable state of the process; also what a crash keeps goes through it.
   * @param done - Tells the process that this and all earlier writes are durable.
   * @param failed - Tells it that there was no space; its later writes fail as well, until it crashes.
   */
  write(id: ProcessId, apply: () => void, done: () => void, failed: () => void = () => {}): void {
    const host = this.hostOf(id)
    if (host.isFull || host.hasFailed) {
      host.hasFailed = true
      this.schedule('sync', id, 0, failed)
      return
    }
    host.writes.add(apply, done, (ended) => {
      this.schedule('sync', id, syncMs(this.random, this.storage), ended)
    })
  }

  /** Ends a process: what it had not synced is lost, or partly there. Nothing happens if it is down. */
  crash(id: ProcessId): void {
    const host = this.hostOf(id)
    if (host.process === undefined) return
    const { kept, lost, isTorn } = host.writes.crash(this.random, this.storage)
    host.process = undefined
    host.life++
    host.isPaused = false
    host.hasFailed = false
    if (host.stalled !== undefined) host.stalled = []
    host.missed = []
    this.note(`${id} crashes: ${lost} unsynced writes lost${isTorn ? ', the first of them torn' : ''}, ${kept} kept`)
  }

  /** Starts a process again. Nothing happens if it is up. */
  restart(id: ProcessId): void {
    const host = this.hostOf(id)
    if (host.process !== undefined) return
    this.note(`${id} starts`)
    host.process = host.start()
  }

  /** Lets a process stand still: what comes for it waits. Its clock goes on, and it will not notice. */
  pause(id: ProcessId): void {
    const host = this.hostOf(id)
    if (host.process === undefined || host.isPaused) return
    host.isPaused = true
    this.note(`${id} stands still`)
  }

  /** Lets a process go on: what it missed happens at once, in order. */
  resume(id: ProcessId): void {
    const host = this.hostOf(id)
    if (!host.isPaused) return
    host.isPaused = false
    this.note(`${id} goes on`)
    const { missed } = host
    host.missed = []
    this.putOff(missed)
  }

  /** Lets no sync of a process end until `unstall`; everything else goes on. */
  stall(id: ProcessId): void {
    const host = this.hostOf(id)
    if (host.stalled !== undefined) return
    host.stalled = []
    this.note(`the disk of ${id} stalls`)
  }

  /** Lets the disk of a process go on: a sync that was to end meanwhile ends now. */
  unstall(id: ProcessId): void {
    const host = this.hostOf(id)
    const { stalled } = host
    if (stalled === undefined) return
    host.stalled = undefined
    this.note(`the disk of ${id} goes on`)
    this.putOff(stalled)
  }

  /** Leaves no space on the disk of a process: writes that begin from now on fail, until `free`. */
  fill(id: ProcessId): void {
    this.hostOf(id).isFull = true
    this.note(`the disk of ${id} is full`)
  }

  free(id: ProcessId): void {
    const host = this.hostOf(id)
    if (!host.isFull) return
    host.isFull = false
    this.note(`the disk of ${id} has space again`)
  }

  /** Lets the wall clock of a process jump. */
  jump(id: ProcessId, byMs: number): void {
    this.hostOf(id).jumpMs += byMs
    this.note(`the wall clock of ${id} jumps by ${byMs.toFixed(0)} ms`)
  }

  /**
   * Lets the clock of a process run at another rate from now on; timers that are set keep their time.
   * @param rate - Milliseconds on it in a millisecond of virtual time.
   */
  setRate(id: ProcessId, rate: number): void {
    const host = this.hostOf(id)
    host.localMs = this.monotonic(id) / 1e6
    host.rateSinceMs = this.time
    host.rate = rate
  }

  isUp(id: ProcessId): boolean {
    return this.hostOf(id).process !== undefined
  }

  isPaused(id: ProcessId): boolean {
    return this.hostOf(id).isPaused
  }

  /** Writes down something that readers of the trace want to know. */
  note(text: string): void {
    this.trace.note(this.time, text)
  }

  /** Ends all faults: ways are free, disks and clocks are good, everybody is up and goes on. */
  heal(): void {
    this.note('all faults end')
    this.network.heal()
    this.network.faults = HEALTHY_NETWORK
    this.storage = HEALTHY_STORAGE
    this.clock = HEALTHY_CLOCK
    for (const host of this.hosts) {
      if (host === undefined) continue
      this.unstall(host.id)
      this.free(host.id)
      // It has not heard of its disk yet if it stood still; once it has, it would end with nobody to start it again.
      if (host.hasFailed) this.crash(host.id)
      this.resume(host.id)
      this.restart(host.id)
      this.setRate(host.id, 1)
    }
  }

  /** Lets the next event happen. @returns False if there is none. */
  step(): boolean {
    const event = this.queue.pop()
    if (event === undefined) return false
    this.time = event.timeMs
    this.happen(event)
    this.options.afterEvent?.()
    return true
  }

  /** Lets happen what happens within so much virtual time. */
  runFor(durationMs: number): void {
    const end = this.time + durationMs
    for (let first = this.queue.first; first !== undefined && first.timeMs <= end; first = this.queue.first) this.step()
    this.time = end
  }

  /**
   * Lets things happen until `isDone`, which is asked after every event.
   * @returns False if that took longer than `mostMs`.
   */
  runUntil(isDone: () => boolean, mostMs: number): boolean {
    const end = this.time + mostMs
    while (!isDone()) {
      const { first } = this.queue
      if (first === undefined || first.timeMs > end) return false
      this.step()
    }
    return true
  }

  private happen(event: Event<Message>): void {
    const host = this.hosts[event.process]
    if (host !== undefined && event.kind !== 'message' && host.life !== event.life) return
    if (event.kind !== 'message' && event.fire === undefined) return
    if (host?.isPaused) {
      if (event.kind !== 'message' || host.missed.length < MAX_MISSED) host.missed.push(event)
      return
    }
    if (event.kind === 'sync' && host?.stalled !== undefined) {
      host.stalled.push(event)
      return
    }
    if (event.kind !== 'message') {
      this.trace.add(event, 0)
      event.fire?.()
      return
    }
    if (host?.process === undefined) return
    if (event.from !== event.process && !this.network.passes(event.from, event.process, event.ticket)) return
    const message = event.message as Message
    this.trace.add(event, this.options.digest?.(message) ?? 0)
    host.process.receive(event.from, message)
  }

  private schedule(kind: EventKind, process: ProcessId, afterMs: number, fire: () => void): Event<Message> {
    const event: Event<Message> = {
      timeMs: this.time + afterMs,
      order: this.orders++,
      kind,
      process,
      life: process === 0 ? 0 : this.hostOf(process).life,
      from: 0,
      ticket: 0,
      message: undefined,
      fire,
    }
    this.queue.push(event)
    return event
  }

  /** Lets events that were held back happen now, in their order. */
  private putOff(events: readonly Event<Message>[]): void {
    for (const event of events) {
      event.timeMs = this.time
      event.order = this.orders++
      this.queue.push(event)
    }
  }

  private hostOf(id: ProcessId): Host<Message> {
    const host = this.hosts[id]
    if (host === undefined) throw new BedplateError('INVALID_INPUT', `there is no process ${id}: add it first`)
    return host
  }
}
