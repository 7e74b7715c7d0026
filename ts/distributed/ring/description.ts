// Reads the description of a ring that came from a peer or a disk: every part of it is checked before it is used.
import { BedplateError, isCode } from '../../base/errors.ts'
import { describe } from '../../base/options.ts'
import { checkOptionsOfRing, Roster } from './check.ts'
import { TokenRing } from './ring.ts'
import { MAX_NODES, MAX_TOKENS, type Position, RING_SIZE, type Ring, type RingNode } from './types.ts'

const TOP = ['version', 'virtualNodes', 'nodes']
const OF_NODE = ['name', 'weight', 'machine', 'zone', 'tokens']

/**
 * The ring that `Ring.describe` described.
 *
 * @param description - Anything, such as what `JSON.parse` gave. It may come from whom nobody trusts: at most 65,536 nodes and 2^20
 *   tokens are taken, whatever it says.
 * @throws CORRUPTION naming what is wrong, INCOMPATIBLE if a later version wrote it.
 */
export function restoreRing(description: unknown): Ring {
  const { version, virtualNodes, nodes } = recordOf(description, TOP, 'the ring')
  if (version !== 1) {
    if (typeof version !== 'number') throw corrupt(`its version is ${describe(version)}`)
    throw new BedplateError('INCOMPATIBLE', `the ring was described in version ${version}, and 1 is known`, {
      hint: 'update bedplate',
    })
  }
  if (!Array.isArray(nodes) || nodes.length > MAX_NODES) throw corrupt(`nodes must be a list of at most ${MAX_NODES}`)
  const roster = new Roster([])
  const placed: { token: Position; owner: number }[] = []
  for (const [owner, given] of nodes.entries()) {
    const { tokens, ...rest } = recordOf(given, OF_NODE, `node ${owner}`)
    const node = asCorruption(() => roster.add(rest as unknown as RingNode))
    for (const token of tokensOf(tokens, node.name, MAX_TOKENS - placed.length)) placed.push({ token, owner })
  }
  placed.sort((a, b) => a.token - b.token)
  return new TokenRing({
    virtualNodes: asCorruption(() => checkOptionsOfRing({ virtualNodes: virtualNodes as number })),
    nodes: roster.nodes,
    tokens: Float64Array.from(placed, ({ token }) => token),
    owners: Uint32Array.from(placed, ({ owner }) => owner),
  })
}

function tokensOf(tokens: unknown, name: string, most: number): Position[] {
  if (!Array.isArray(tokens) || tokens.length === 0) throw corrupt(`"${name}" has no list of tokens`)
  if (tokens.length > most) throw corrupt(`it has more than ${MAX_TOKENS} tokens`)
  let before = -1
  for (const token of tokens as unknown[]) {
    if (!Number.isInteger(token) || (token as number) <= before || (token as number) >= RING_SIZE) {
      throw corrupt(`the tokens of "${name}" must be whole numbers below 2^53 that rise, got ${describe(token)}`)
    }
    before = token as number
  }
  return tokens as Position[]
}

function recordOf(value: unknown, names: readonly string[], what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw corrupt(`${what} must be an object, got ${describe(value)}`)
  }
  for (const name of names) if (!Object.hasOwn(value, name)) throw corrupt(`${what} lacks ${name}`)
  const extra = Object.keys(value).find((name) => !names.includes(name))
  if (extra !== undefined) throw corrupt(`${what} has ${describe(extra)}, which is not known`)
  return value as Record<string, unknown>
}

/** What would be a mistake in a call is damage in a description. */
function asCorruption<T>(check: () => T): T {
  try {
    return check()
  } catch (error) {
    if (isCode(error, 'INVALID_INPUT')) throw corrupt((error as Error).message, error)
    throw error
  }
}

function corrupt(problem: string, cause?: unknown): BedplateError {
  return new BedplateError('CORRUPTION', `the description of a ring is broken: ${problem}`, { cause })
}
