// Faults as they are asked for: a request to the process that runs a local cluster, by a command or by a button of its console.
//
//   POST  {"fault": "kill", "node": 1}, start, pause, resume | {"fault": "partition", "groups": [[1, 2], [3]]} | {"fault": "heal"}, status
//   gives the states of all nodes
import { BedplateError } from '../../base/errors.ts'
import type { LinkId } from '../../distributed/link/index.ts'
import { jsonOf } from '../../service/index.ts'
import type { NodeState } from './nodes.ts'

/** What can be done to nodes. */
export interface Hurtable<Id extends LinkId> {
  states(): NodeState<Id>[]
  kill(id: Id): Promise<void>
  start(id: Id): Promise<void>
  pause(id: Id): void
  resume(id: Id): void
  partition(groups: readonly (readonly Id[])[]): void
  heal(): void
}

export interface Fault {
  readonly fault: string
  readonly node?: LinkId
  readonly groups?: readonly (readonly LinkId[])[]
}

export const OF_NODES = {
  kill: 'end a node as a crash does',
  start: 'start a node that is down, from its disk',
  pause: 'let a node stand still',
  resume: 'let it go on',
} as const

/**
 * Does what a request asks for.
 * @param hurtable - The nodes, where they may be hurt; gives undefined while they are starting.
 * @returns How they are then. @throws INVALID_INPUT, NOT_SUPPORTED, UNAVAILABLE
 */
export async function hurtOf<Id extends LinkId>(
  hurtable: (() => Hurtable<Id> | undefined) | undefined,
  body: Uint8Array,
): Promise<NodeState<Id>[]> {
  if (hurtable === undefined) throw new BedplateError('NOT_SUPPORTED', 'no processes run here that could be hurt')
  const nodes = hurtable()
  if (nodes === undefined) throw new BedplateError('UNAVAILABLE', 'the cluster is starting')
  const { fault, node, groups = [] } = faultOf(body)
  // Whether there are such nodes, is for the nodes to say.
  await perform(nodes, fault, { node: node as Id, groups: groups as Id[][] })
  return nodes.states()
}

function faultOf(body: Uint8Array): Fault {
  const { fault, node = '', groups = [] } = jsonOf(body)
  if (typeof fault === 'string' && isId(node) && areGroups(groups)) return { fault, node, groups }
  throw new BedplateError('INVALID_INPUT', 'this is no fault', {
    hint: 'it is like {"fault":"kill","node":1} or {"fault":"partition","groups":[[1,2],[3]]}',
  })
}

function isId(value: unknown): value is LinkId {
  return typeof value === 'string' || Number.isInteger(value)
}

function areGroups(value: unknown): value is LinkId[][] {
  return Array.isArray(value) && value.every((group) => Array.isArray(group) && group.every(isId))
}

async function perform<Id extends LinkId>(
  nodes: Hurtable<Id>,
  fault: string,
  { node, groups }: { node: Id; groups: readonly (readonly Id[])[] },
): Promise<void> {
  if (Object.hasOwn(OF_NODES, fault)) return nodes[fault as keyof typeof OF_NODES](node)
  switch (fault) {
    case 'partition':
      return nodes.partition(groups)
    case 'heal':
      return nodes.heal()
    case 'status':
      return
    default:
      throw new BedplateError('INVALID_INPUT', `there is no fault ${JSON.stringify(fault)}`)
  }
}
