// Which ring holds, and how one becomes another while requests run.
//
//            change                 all newcomers are filled             all know the new ring
//   stable ---------> streaming -------------------------> switching -------------------------> stable
//     ^                 |  abort
//     +-----------------+
//
//                 writes need W of    reads ask R of
//   stable        ring                ring
//   streaming     ring and of next    ring
//   switching     ring and of next    next
//
// Each arrow is one epoch. Of two neighbouring states, what one writes the other reads; a node answers requests of its own epoch alone, so
// that of two states that are no neighbours one cannot find its quorum: before writes stop to reach the old ring, all know
// that reads have left it. (Joint quorums as Raft has them for its members: Ongaro's dissertation, 2014, §4.3.)
import { BedplateError, isCode } from '../../../base/errors.ts'
import { restoreRing } from '../description.ts'
import { planMovement } from '../movement.ts'
import { buildRing } from '../ring.ts'
import { MAX_NODES, type Ring } from '../types.ts'
import { MAX_COUNTED, MAX_REPLICAS } from './limits.ts'
import type { RingChange, RingRecord } from './types.ts'

/** A record that was checked, with rings to be asked. */
export interface RingState {
  readonly record: RingRecord
  readonly epoch: number
  readonly phase: RingRecord['phase']
  readonly replicas: number
  readonly ring: Ring
  readonly next: Ring | undefined
  readonly lost: ReadonlySet<string>
}

/** What a node knows before it knows a ring. */
export const NO_RING: RingState = stateOf(
  { version: 1, epoch: 0, phase: 'stable', replicas: 1, ring: buildRing([]).describe(), next: undefined, lost: [] },
  buildRing([]),
)

/**
 * What every node of a new cluster has as its note `ring` before it first starts.
 * @throws INVALID_INPUT if the ring has fewer nodes than replicas.
 */
export function foundingRecord(ring: Ring, replicas: number): RingRecord {
  if (!Number.isInteger(replicas) || replicas < 1 || replicas > MAX_REPLICAS) {
    throw invalid(`replicas must be a whole number from 1 to ${MAX_REPLICAS}, got ${replicas}`)
  }
  if (ring.nodes.length < replicas) {
    throw invalid(`${replicas} replicas need as many nodes, and there are ${ring.nodes.length}`)
  }
  return { version: 1, epoch: 1, phase: 'stable', replicas, ring: ring.describe(), next: undefined, lost: [] }
}

/** Reads a record that came from a peer or a disk. @throws CORRUPTION naming what is wrong. */
export function readRecord(given: unknown): RingState {
  if (typeof given !== 'object' || given === null) throw corrupt('it is no object')
  const { version, epoch, phase, replicas, ring, next, lost } = given as Partial<RingRecord>
  if (version !== 1) throw corrupt('its version is not 1')
  if (!isWhole(epoch, 1, MAX_COUNTED)) throw corrupt('it has no epoch')
  if (!isWhole(replicas, 1, MAX_REPLICAS)) throw corrupt('it has no number of replicas')
  if (phase !== 'stable' && phase !== 'streaming' && phase !== 'switching') throw corrupt('it has no phase')
  if ((next === undefined) !== (phase === 'stable')) throw corrupt('its phase needs another number of rings')
  if (!Array.isArray(lost) || lost.length > MAX_NODES || lost.some((name) => typeof name !== 'string')) {
    throw corrupt('its lost nodes are no list of names')
  }
  const rings = [restoreRing(ring), next === undefined ? undefined : restoreRing(next)] as const
  if (rings.some((each) => each !== undefined && each.nodes.length < replicas)) throw corrupt('it has too few nodes')
  return stateOf({ version, epoch, phase, replicas, ring: ring as never, next, lost: lost as string[] }, ...rings)
}

/**
 * The record that a change leads to: streaming to the new ring, or back to the old one.
 * @param lost - Nodes that will not come back: nothing is copied from them, and nobody waits for them.
 * @throws CONFLICT while another change is under way, INVALID_INPUT and NOT_FOUND for one that cannot be.
 */
export function changedRecord(state: RingState, change: RingChange, lost: readonly string[]): RingRecord {
  if (change.kind === 'abort') {
    if (state.phase === 'streaming') return successor(state, { phase: 'stable', next: undefined, lost: [] })
    throw new BedplateError('CONFLICT', 'there is no change that could be given up', {
      hint: 'once reads have left the old ring, a change only goes forward',
    })
  }
  if (change.kind === 'lose') return withLost(state, change.name)
  if (state.phase !== 'stable') {
    throw new BedplateError('CONFLICT', `another change is under way, in epoch ${state.epoch}`, {
      hint: 'wait until it is done; one that streams can be given up',
    })
  }
  const gone = lost.find((name) => state.ring.node(name) === undefined)
  if (gone !== undefined) throw new BedplateError('NOT_FOUND', `"${gone}" is no node of the ring, so it cannot be lost`)
  const deciding = electorateOf(state)
  if (2 * deciding.filter((name) => !lost.includes(name)).length <= deciding.length) {
    throw invalid('a change needs a majority of the nodes, and too many are lost')
  }
  const allLost = [...new Set([...state.lost, ...lost])]
  const next = ringAfter(state.ring, change)
  if (next.nodes.length < state.replicas) {
    throw new BedplateError(
      'INVALID_INPUT',
      `${state.replicas} replicas need as many nodes, and ${next.nodes.length} would be left`,
      { hint: 'add a node first, or replace this one' },
    )
  }
  const { moves } = planMovement(state.ring, next, { replicaCount: state.replicas, down: allLost })
  if (moves.some(({ from }) => from.length === 0)) throw invalid('all nodes that hold some of the keys are lost')
  return successor(state, { phase: 'streaming', next: next.describe(), lost: allLost })
}

/** A change goes on without a node that was to have a part in it. */
function withLost(state: RingState, name: string): RingRecord {
  if (state.phase === 'stable') {
    throw new BedplateError('CONFLICT', 'no change is under way that would wait for a node', {
      hint: 'replace or remove the node, and say that it is lost',
    })
  }
  if (!membersOf(state).includes(name)) {
    throw new BedplateError('NOT_FOUND', `"${name}" is no node that the change waits for`)
  }
  return successor(state, { lost: [...state.record.lost, name] })
}

/** The record that follows on one that moves, once its condition holds. */
export function advancedRecord(state: RingState): RingRecord {
  const { phase, record, next, lost } = state
  if (phase === 'streaming') return successor(state, { phase: 'switching' })
  const ring = record.next
  if (next === undefined || ring === undefined) throw new BedplateError('INTERNAL', 'a stable ring has no successor')
  return successor(state, {
    phase: 'stable',
    ring,
    next: undefined,
    lost: [...lost].filter((name) => next.node(name) !== undefined),
  })
}

/** Everybody who has a part in the state, and may come back: those whom changes wait for. */
export function membersOf({ ring, next, lost }: RingState): string[] {
  const names = new Set([...ring.nodes, ...(next?.nodes ?? [])].map(({ name }) => name))
  return [...names].filter((name) => !lost.has(name))
}

/** Those of whom a majority decides what follows. All know who they are, since all know the state. */
export function electorateOf({ ring, lost }: RingState): string[] {
  return ring.nodes.map(({ name }) => name).filter((name) => !lost.has(name))
}

function ringAfter(ring: Ring, change: Exclude<RingChange, { kind: 'abort' | 'lose' }>): Ring {
  if (change.kind === 'add') return ring.with(change.node)
  if (change.kind === 'remove') return ring.without(change.name)
  return ring.replace(change.name, change.node)
}

function successor(state: RingState, changed: Partial<RingRecord>): RingRecord {
  return { ...state.record, ...changed, epoch: state.epoch + 1 }
}

function stateOf(record: RingRecord, ring: Ring, next?: Ring): RingState {
  const { epoch, phase, replicas, lost } = record
  return { record, epoch, phase, replicas, ring, next, lost: new Set(lost) }
}

function isWhole(value: unknown, low: number, high: number): value is number {
  return Number.isInteger(value) && (value as number) >= low && (value as number) <= high
}

function invalid(message: string): BedplateError {
  return new BedplateError('INVALID_INPUT', message)
}

function corrupt(problem: string): BedplateError {
  return new BedplateError('CORRUPTION', `the record of a ring is broken: ${problem}`)
}

/** Whether an error says that a record was broken, or of a later version. */
export function isBrokenRecord(error: unknown): boolean {
  return isCode(error, 'CORRUPTION') || isCode(error, 'INCOMPATIBLE')
}
