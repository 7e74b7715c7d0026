// Who takes part in a simulation, and what can go wrong in it: shapes, units, bounds.

/** Nodes, clients and whatever else has messages sent to it; a whole number of at least 1. */
export type ProcessId = number

/** What runs in a process. Calls into it never overlap; it must not keep time, dice or anything else of its own. */
export interface Process<Message> {
  /** A message has arrived. Copies of one message are the same object: it must not be changed. */
  receive(from: ProcessId, message: Message): void
}

/** What the network does to every message. Rates are probabilities. */
export interface NetworkFaults {
  /** The fastest delivery. */
  readonly minDelayMs: number
  /** What is added to it on average; delays are distributed exponentially, so that some messages are late. */
  readonly meanDelayMs: number
  readonly lossRate: number
  readonly duplicateRate: number
  /** How many messages take `lateMs` longer: late enough to come from a time that everybody else has forgotten. */
  readonly lateRate: number
  readonly lateMs: number
  /** False if messages from one process to another arrive in the order in which they were sent. */
  readonly reorders: boolean
}

/** A network that only takes time. */
export const HEALTHY_NETWORK: NetworkFaults = {
  minDelayMs: 0.5,
  meanDelayMs: 0.5,
  lossRate: 0,
  duplicateRate: 0,
  lateRate: 0,
  lateMs: 0,
  reorders: false,
}

/** What a disk does. One sync at a time; what is written meanwhile shares the next one. */
export interface StorageFaults {
  readonly minSyncMs: number
  readonly maxSyncMs: number
  /** How likely a crash keeps a part of what was not synced, rather than nothing. */
  readonly partialRate: number
}

export const HEALTHY_STORAGE: StorageFaults = { minSyncMs: 0.2, maxSyncMs: 0.5, partialRate: 0 }

/** How a process perceives time. */
export interface ClockFaults {
  /** The clock of a process runs faster or slower than virtual time by at most this factor: 0.2 is 20 %. */
  readonly maxDrift: number
  /** How far the wall clock may jump at once; monotonic time never does. */
  readonly maxJumpMs: number
}

export const HEALTHY_CLOCK: ClockFaults = { maxDrift: 0, maxJumpMs: 0 }

/** What a nemesis can do. */
export type Havoc =
  | 'crash' // a process loses what it had not synced, and starts again later
  | 'pause' // a process stands still, and goes on later as if nothing had happened
  | 'partition' // the processes fall into two halves that do not hear each other
  | 'one-way' // what one process sends to some others is lost, not what they send to it
  | 'bridge' // two halves that meet only in one process
  | 'isolate' // one process is alone
  | 'clog' // what is sent on one way arrives only when it is free again
  | 'reset' // all that is under way between two processes is lost
  | 'clock-jump' // the wall clock of a process jumps
  | 'drift' // the clock of a process runs at another rate
  | 'stall' // the disk of a process takes nothing for a while
  | 'full' // the disk of a process has no space
  | 'rot' // what a process has on disk is not what it wrote there: it finds out when it reads it
  | 'wipe' // all that a process has on disk is gone

export const ALL_HAVOC: readonly Havoc[] = [
  'crash',
  'pause',
  'partition',
  'one-way',
  'bridge',
  'isolate',
  'clog',
  'reset',
  'clock-jump',
  'drift',
  'stall',
  'full',
  'rot',
  'wipe',
]

/** Everything that goes wrong in a run. Data, so that it can be printed, and be made smaller while a run keeps failing. */
export interface FaultPlan {
  readonly network: NetworkFaults
  readonly storage: StorageFaults
  readonly clock: ClockFaults
  readonly nemesis: NemesisPlan
}

export interface NemesisPlan {
  readonly havoc: readonly Havoc[]
  /** Mean time between two of them. */
  readonly meanIntervalMs: number
  /** Mean time until one is undone. */
  readonly meanDurationMs: number
  /** How often it is undone almost at once. */
  readonly briefRate: number
  /** How often the process that matters most, a leader, is the one it happens to. */
  readonly favouriteRate: number
}
