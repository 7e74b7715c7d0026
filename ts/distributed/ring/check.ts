// What comes from outside: nodes and options as callers give them. Everything is refused that could not work.
import { BedplateError } from '../../base/errors.ts'
import { checkArray, checkOptions, describe } from '../../base/options.ts'
import {
  DEFAULT_VIRTUAL_NODES,
  type KnownNode,
  MAX_NAME_LENGTH,
  MAX_VIRTUAL_NODES,
  MAX_WEIGHT,
  type RingNode,
  type RingOptions,
} from './types.ts'

const NODE_OPTIONS = { name: 'string', weight: 'number', machine: 'string', zone: 'string' } as const

/** @returns The number of virtual nodes. @throws INVALID_INPUT */
export function checkOptionsOfRing(options: RingOptions): number {
  checkOptions(options, { virtualNodes: 'number' }, 'buildRing')
  const count = options.virtualNodes ?? DEFAULT_VIRTUAL_NODES
  if (Number.isInteger(count) && count >= 1 && count <= MAX_VIRTUAL_NODES) return count
  throw new BedplateError(
    'INVALID_INPUT',
    `virtualNodes must be a whole number from 1 to ${MAX_VIRTUAL_NODES}, got ${count}`,
  )
}

/** The nodes of a ring while it is made: each is checked against those before it. */
export class Roster {
  readonly nodes: KnownNode[] = []
  private readonly names = new Set<string>()
  private readonly zoneOfMachine = new Map<string, string>()

  constructor(nodes: readonly KnownNode[]) {
    for (const node of nodes) this.enter(node)
  }

  /** Fills in what was not told. @throws INVALID_INPUT naming the node. */
  add(given: RingNode): KnownNode {
    checkOptions(given, NODE_OPTIONS, 'a node of a ring')
    const { name, weight = 1, zone = '' } = given
    checkName(name, 'a node needs a name')
    const machine = given.machine ?? name
    checkName(machine, `the machine of "${name}" needs a name`)
    if (zone.length > MAX_NAME_LENGTH) checkName(zone, `the zone of "${name}" needs a name`)
    checkWeight(name, weight)
    if (this.names.has(name)) {
      throw new BedplateError('INVALID_INPUT', `there is a node "${name}" already`, {
        hint: 'names are unique in a ring: give it another one, or remove the old one first',
      })
    }
    const zoneBefore = this.zoneOfMachine.get(machine)
    if (zoneBefore !== undefined && zoneBefore !== zone) {
      throw new BedplateError(
        'INVALID_INPUT',
        `machine "${machine}" is in zone "${zoneBefore}", and "${name}" says that it is in zone "${zone}"`,
        { hint: 'a machine stands in one zone' },
      )
    }
    const node = { name, weight, machine, zone }
    this.enter(node)
    return node
  }

  private enter(node: KnownNode): void {
    this.nodes.push(node)
    this.names.add(node.name)
    this.zoneOfMachine.set(node.machine, node.zone)
  }
}

/** @throws INVALID_INPUT */
function checkWeight(name: string, weight: number): void {
  if (weight > 0 && weight <= MAX_WEIGHT) return
  throw new BedplateError(
    'INVALID_INPUT',
    `the weight of "${name}" must be above 0 and at most ${MAX_WEIGHT}, got ${weight}`,
  )
}

/** @throws INVALID_INPUT */
export function checkReplicaCount(count: number): void {
  if (Number.isInteger(count) && count >= 1) return
  throw new BedplateError('INVALID_INPUT', `replicaCount must be a whole number of at least 1, got ${describe(count)}`)
}

/** Names, each once, of what places keys without tokens of a ring: rendezvous, ketama. @throws INVALID_INPUT */
export function checkNames<T extends { readonly name: string; readonly weight?: number }>(
  nodes: readonly T[],
  where: string,
): void {
  checkArray(nodes, where, 'nodes')
  const names = new Set<string>()
  for (const node of nodes) {
    checkOptions(node, { name: 'string', weight: 'number' }, where)
    checkName(node.name, `${where}: a node needs a name`)
    checkWeight(node.name, node.weight ?? 1)
    if (names.has(node.name)) throw new BedplateError('INVALID_INPUT', `${where}: there are two nodes "${node.name}"`)
    names.add(node.name)
  }
}

/** How many tokens a node of that weight gets: at least one. */
export function tokenCountOf(weight: number, virtualNodes: number): number {
  return Math.max(1, Math.round(weight * virtualNodes))
}

/** The error for a name that no node has. */
export function unknownNode(name: string, nodes: readonly { readonly name: string }[]): BedplateError {
  const few = nodes.slice(0, 8).map((node) => node.name)
  const hint =
    nodes.length === 0 ? 'the ring is empty' : `there are ${few.join(', ')}${nodes.length > 8 ? ', ...' : ''}`
  return new BedplateError('NOT_FOUND', `there is no node ${describe(name)} in the ring`, { hint })
}

function checkName(name: unknown, wrong: string): asserts name is string {
  if (typeof name === 'string' && name.length >= 1 && name.length <= MAX_NAME_LENGTH) return
  throw new BedplateError('INVALID_INPUT', `${wrong} of 1 to ${MAX_NAME_LENGTH} characters, got ${describe(name)}`)
}
