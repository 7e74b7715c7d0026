// What the data directory of a whole cluster says of it: the file `cluster.json`.
//
//   {"version":1,"clusterId":"4f0c9a1b2d3e5f60","nodes":["node1","node2","node3"],"joined":[]}     `joined`: those that are no founders
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BedplateError } from '../../base/errors.ts'
import { realRandom } from '../../io/random.ts'

export interface ClusterFile {
  /** Drawn when the cluster was made: nodes of another one are refused, whatever their names are. */
  readonly clusterId: string
  readonly nodes: readonly string[]
  /** Those of them that were added to it later. */
  readonly joined: readonly string[]
}

const FILE = 'cluster.json'
const VERSION = 1
const ID_BYTES = 8

/** What is there; undefined in a directory that has no cluster. @throws CORRUPTION, INCOMPATIBLE */
export function readCluster(directory: string): ClusterFile | undefined {
  const path = join(directory, FILE)
  if (!existsSync(path)) return undefined
  let value: Record<string, unknown>
  try {
    value = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
  } catch (cause) {
    throw new BedplateError('CORRUPTION', `${path} is no JSON`, { cause })
  }
  const { version, clusterId, nodes, joined } = value
  if (typeof version === 'number' && version > VERSION) {
    throw new BedplateError('INCOMPATIBLE', `${path} has version ${version}, and ${VERSION} is known`, {
      hint: 'update bedplate',
    })
  }
  const isList = (list: unknown): list is string[] =>
    Array.isArray(list) && list.every((name) => typeof name === 'string')
  if (typeof clusterId === 'string' && isList(nodes) && isList(joined)) return { clusterId, nodes, joined }
  throw new BedplateError('CORRUPTION', `${path} does not say what cluster it is of`)
}

/** The cluster of that directory with these nodes, made if there is none. @throws INVALID_INPUT if it has others */
export function findOrMakeCluster(directory: string, nodes: readonly string[]): ClusterFile {
  const found = readCluster(directory)
  if (found === undefined) {
    const made = { clusterId: Buffer.from(realRandom.bytes(ID_BYTES)).toString('hex'), nodes, joined: [] }
    writeCluster(directory, made)
    return made
  }
  if (found.nodes.length === nodes.length && nodes.every((name) => found.nodes.includes(name))) return found
  throw new BedplateError(
    'INVALID_INPUT',
    `${directory} has a cluster of ${found.nodes.join(', ')}, and not of ${nodes.join(', ')}`,
    { hint: `start it with --nodes=${found.nodes.join(',')}, or make another one with --data-dir` },
  )
}

/** The file appears whole, or stays as it was. */
export function writeCluster(directory: string, cluster: ClusterFile): void {
  const path = join(directory, FILE)
  mkdirSync(directory, { recursive: true })
  writeFileSync(`${path}.new`, `${JSON.stringify({ version: VERSION, ...cluster })}\n`, { flush: true })
  renameSync(`${path}.new`, path)
}
