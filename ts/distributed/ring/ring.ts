// A ring of tokens: who holds a key, and who its copies. Rings are values, made anew for each change.
//
// A node holds what lies before each of its tokens, back to the token before: a key belongs to the first token above its position
// (DeCandia et al., "Dynamo", SOSP 2007, §4.2: "the first node with a position larger than the item's position").
import { BedplateError } from '../../base/errors.ts'
import { checkArray } from '../../base/options.ts'
import { checkOptionsOfRing, checkReplicaCount, Roster, tokenCountOf, unknownNode } from './check.ts'
import { positionOf } from './hash.ts'
import { type PlacedTokens, Placement, placeWithout } from './placement.ts'
import { TokenIndex } from './token-index.ts'
import {
  type Key,
  type KnownNode,
  MAX_NODES,
  MAX_TOKENS,
  type Position,
  RING_SIZE,
  type Ring,
  type RingDescription,
  type RingNode,
  type RingOptions,
  type TokenRange,
} from './types.ts'

/** Preference lists are kept for so many numbers of replicas; beyond, all are made anew. */
const MAX_KEPT_COUNTS = 4

/** What a ring consists of. */
interface RingParts extends PlacedTokens {
  readonly virtualNodes: number
  readonly nodes: readonly KnownNode[]
}

/**
 * Places nodes on a ring, one after the other: `buildRing([a, b])` is `buildRing([a]).with(b)`.
 *
 * The order counts, since each node takes its tokens from those before it (placement.ts). Peers that must agree on a ring pass
 * its description on (`describe`, `restoreRing`) rather than build it each from a list of its own.
 * O(n (n + v log n)) for n nodes with v tokens each: some milliseconds for 10 nodes, a second for 1000.
 *
 * @param nodes - None is an empty ring.
 * @throws INVALID_INPUT for options and nodes that cannot be, for a name that stands twice, for a machine in two zones.
 *
 * @example
 * const ring = buildRing([{ name: 'a', zone: 'x' }, { name: 'b', zone: 'y' }, { name: 'c', zone: 'y', weight: 2 }])
 * ring.nodeOf('user:42') // one of them; c twice as often as a
 * ring.preferenceList('user:42', 2) // two of them, in two zones
 */
export function buildRing(nodes: readonly RingNode[], options: RingOptions = {}): Ring {
  return addNodes(emptyParts(checkOptionsOfRing(options)), nodes)
}

/** The one kind of ring. */
export class TokenRing implements Ring {
  readonly nodes: readonly KnownNode[]
  readonly virtualNodes: number
  private readonly parts: RingParts
  private readonly index: TokenIndex
  private readonly indexOfName: ReadonlyMap<string, number>
  private readonly zoneCount: number
  /** For a number of replicas, the list of each token that was asked for. */
  private readonly lists = new Map<number, (readonly string[] | undefined)[]>()

  constructor(parts: RingParts) {
    this.parts = parts
    this.nodes = parts.nodes
    this.virtualNodes = parts.virtualNodes
    this.index = new TokenIndex(parts.tokens, RING_SIZE)
    this.indexOfName = new Map(parts.nodes.map(({ name }, index) => [name, index]))
    this.zoneCount = new Set(parts.nodes.map(({ zone }) => zone)).size
  }

  get tokenCount(): number {
    return this.parts.tokens.length
  }

  node(name: string): KnownNode | undefined {
    const index = this.indexOfName.get(name)
    return index === undefined ? undefined : this.nodes[index]
  }

  nodeOf(key: Key): string | undefined {
    return this.nodeAt(positionOf(key))
  }

  nodeAt(position: Position): string | undefined {
    const { owners } = this.parts
    if (owners.length === 0) return undefined
    return (this.nodes[owners[this.index.after(position)] as number] as KnownNode).name
  }

  preferenceList(key: Key, replicaCount: number): readonly string[] {
    return this.preferenceListAt(positionOf(key), replicaCount)
  }

  preferenceListAt(position: Position, replicaCount: number): readonly string[] {
    let lists = this.lists.get(replicaCount)
    if (lists === undefined) {
      checkReplicaCount(replicaCount)
      if (this.lists.size >= MAX_KEPT_COUNTS) this.lists.clear()
      lists = new Array<readonly string[] | undefined>(this.tokenCount)
      this.lists.set(replicaCount, lists)
    }
    if (this.tokenCount === 0) return []
    const token = this.index.after(position)
    let list = lists[token]
    if (list === undefined) {
      list = Object.freeze(this.walk(token, replicaCount))
      lists[token] = list
    }
    return list
  }

  firstFrom(position: Position, accepts: (name: string) => boolean): string | undefined {
    if (this.tokenCount === 0) return undefined
    for (const node of this.nodesFrom(this.index.after(position))) if (accepts(node.name)) return node.name
    return undefined
  }

  shares(): Map<string, number> {
    const sizes = new Map(this.nodes.map(({ name }) => [name, 0]))
    for (const { name, start, end } of this.ranges()) sizes.set(name, (sizes.get(name) as number) + (end - start))
    return new Map([...sizes].map(([name, size]) => [name, size / RING_SIZE]))
  }

  *ranges(): Generator<TokenRange & { readonly name: string }> {
    const { tokens, owners } = this.parts
    let start = 0
    for (const [index, end] of tokens.entries()) {
      if (end > start) yield { name: (this.nodes[owners[index] as number] as KnownNode).name, start, end }
      start = end
    }
    const first = this.nodes[owners[0] ?? 0]
    if (first !== undefined) yield { name: first.name, start, end: RING_SIZE }
  }

  with(node: RingNode): Ring {
    return addNodes(this.parts, [node])
  }

  without(name: string): Ring {
    const gone = this.indexOfName.get(name)
    if (gone === undefined) throw unknownNode(name, this.nodes)
    const { virtualNodes, nodes } = this.parts
    const { tokens, owners } = placeWithout(gone, weightsOf(nodes), this.parts)
    return new TokenRing({
      virtualNodes,
      nodes: nodes.filter((_, index) => index !== gone),
      tokens,
      owners: owners.map((owner) => (owner > gone ? owner - 1 : owner)),
    })
  }

  replace(name: string, node: RingNode): Ring {
    const index = this.indexOfName.get(name)
    if (index === undefined) throw unknownNode(name, this.nodes)
    const old = this.nodes[index] as KnownNode
    const others = this.nodes.filter((_, other) => other !== index)
    const known = new Roster(others).add({ ...node, weight: node.weight ?? old.weight })
    if (known.weight !== old.weight) {
      throw new BedplateError('INVALID_INPUT', `"${known.name}" has not the weight of "${name}", ${old.weight}`, {
        hint: 'add it under its own weight and remove the old one then',
      })
    }
    return new TokenRing({ ...this.parts, nodes: this.nodes.map((each, other) => (other === index ? known : each)) })
  }

  describe(): RingDescription {
    const { virtualNodes, nodes, tokens, owners } = this.parts
    const ofNode: Position[][] = nodes.map(() => [])
    for (const [index, token] of tokens.entries()) (ofNode[owners[index] as number] as Position[]).push(token)
    return {
      version: 1,
      virtualNodes,
      nodes: nodes.map((node, index) => ({ ...node, tokens: ofNode[index] as Position[] })),
    }
  }

  private walk(firstToken: number, replicaCount: number): string[] {
    const wanted = Math.min(replicaCount, this.nodes.length)
    const zones = new Set<string>()
    const machines = new Set<string>()
    const taken: string[] = []
    /** Nodes that were passed by since their zone, or even their machine, had one. */
    const ofTakenZones: KnownNode[] = []
    const ofTakenMachines: KnownNode[] = []
    const take = (node: KnownNode): void => {
      zones.add(node.zone)
      machines.add(node.machine)
      taken.push(node.name)
    }
    const takeUnlessMachineIsTaken = (node: KnownNode): void => {
      if (machines.has(node.machine)) ofTakenMachines.push(node)
      else take(node)
    }
    let isAfterZones = false
    for (const node of this.nodesFrom(firstToken)) {
      if (!zones.has(node.zone)) take(node)
      else if (isAfterZones) takeUnlessMachineIsTaken(node)
      else ofTakenZones.push(node)
      if (!isAfterZones && zones.size === this.zoneCount) {
        isAfterZones = true
        for (const passed of ofTakenZones) if (taken.length < wanted) takeUnlessMachineIsTaken(passed)
      }
      if (taken.length >= wanted) return taken
    }
    for (const node of ofTakenMachines) if (taken.length < wanted) take(node)
    return taken
  }

  /** Each node once, in the order of tokens from that one on. */
  private *nodesFrom(firstToken: number): Generator<KnownNode> {
    const { owners } = this.parts
    const seen = new Set<number>()
    for (let i = 0; i < owners.length && seen.size < this.nodes.length; i++) {
      const owner = owners[(firstToken + i) % owners.length] as number
      if (seen.has(owner)) continue
      seen.add(owner)
      yield this.nodes[owner] as KnownNode
    }
  }
}

function emptyParts(virtualNodes: number): RingParts {
  return { virtualNodes, nodes: [], tokens: new Float64Array(0), owners: new Uint32Array(0) }
}

function addNodes(parts: RingParts, added: readonly RingNode[]): Ring {
  const { virtualNodes, nodes, tokens } = parts
  checkArray(added, 'buildRing', 'nodes')
  const roster = new Roster(nodes)
  const counts = added.map((given) => {
    const node = roster.add(given)
    return { node, count: tokenCountOf(node.weight, virtualNodes) }
  })
  const tokenCount = counts.reduce((sum, { count }) => sum + count, tokens.length)
  if (roster.nodes.length > MAX_NODES || tokenCount > MAX_TOKENS) {
    throw new BedplateError('INVALID_INPUT', `a ring holds ${MAX_NODES} nodes and ${MAX_TOKENS} tokens at most`, {
      hint: `these would be ${roster.nodes.length} and ${tokenCount}: give it fewer virtualNodes`,
    })
  }
  const placement = new Placement(weightsOf(nodes), parts)
  for (const { node, count } of counts) placement.add(node, count)
  return new TokenRing({ virtualNodes, nodes: roster.nodes, ...placement.finish() })
}

function weightsOf(nodes: readonly KnownNode[]): number[] {
  return nodes.map(({ weight }) => weight)
}
