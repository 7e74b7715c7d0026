// partitioned-kv ring, status: what the cluster looks like.
import { type KnownNode, RING_SIZE, type Ring } from '../../distributed/ring/types.ts'
import type { Output } from '../kit/output.ts'
import { plural } from '../kit/text.ts'
import { type ConnectionArguments, withClient } from './connection.ts'

/** What stands for the nodes in the drawing, in their order; further ones are dots. */
const SIGNS = '123456789abcdefghijklmnopqrstuvwxyz'
const ROWS = 17
/** Characters are about twice as high as they are wide. */
const COLUMNS = 35
const INNER = 0.72

/** Draws the ring, and says what each node holds. */
export function ring(out: Output, options: ConnectionArguments): Promise<void> {
  return withClient(options, async ({ cluster }) => {
    const { epoch, replicas, nodes, ring: known } = cluster
    const shares = known.shares()
    if (options.json === true) {
      const list = known.nodes.map(({ name }) => ({ name, share: shares.get(name), address: nodes[name] }))
      await out.line(JSON.stringify({ epoch, replicas, tokens: known.tokenCount, nodes: list }))
      return
    }
    for (const line of drawRing(known)) await out.line(line)
    const width = Math.max(...known.nodes.map(({ name }) => name.length))
    for (const [index, { name }] of known.nodes.entries()) {
      const share = `${(100 * (shares.get(name) ?? 0)).toFixed(1)}%`
      await out.line(`${signOf(index)}  ${name.padEnd(width)}  ${share.padStart(6)}  ${nodes[name] ?? ''}`)
    }
    await out.line(
      `${plural(known.tokenCount, 'token')}, each key on ${plural(replicas, 'node')}, ring ${epoch}; hash 0x0000 is on top, clockwise`,
    )
  })
}

/** A line a node. */
export function status(out: Output, options: ConnectionArguments): Promise<void> {
  return withClient(options, async (client) => {
    const statuses = [...(await client.statuses())]
    const { epoch, replicas, reads, writes, nodes, clusterId } = client.cluster
    if (options.json === true) {
      const all = statuses.map(([name, known]) => known ?? { name, failure: 'does not answer' })
      await out.line(JSON.stringify({ clusterId, epoch, replicas, reads, writes, nodes: all }))
      return
    }
    await out.line(`cluster ${clusterId}, ring ${epoch}, N=${replicas}, R=${reads}, W=${writes}`)
    const width = Math.max(...statuses.map(([name]) => name.length))
    const address = Math.max(...Object.values(nodes).map(({ length }) => length))
    for (const [name, known] of statuses) {
      const start = `${name.padEnd(width)}  ${(nodes[name] ?? '').padEnd(address)}`
      if (known === undefined) await out.line(`${start}  does not answer`)
      else {
        const { share, requests, hints, connected } = known as Record<'share' | 'requests' | 'hints', number> & {
          connected: readonly string[]
        }
        const part = `${(100 * share).toFixed(1)}%`.padStart(6)
        await out.line(
          `${start}  ${part}  ${plural(hints, 'hint')}, ${plural(requests, 'request')} under way, hears ${plural(connected.length, 'node')}`,
        )
      }
    }
  })
}

/** The circle, seen from above: each character is the node that holds that part. @returns Lines of at most 35 characters. */
export function drawRing(known: Ring): string[] {
  const signs = new Map(known.nodes.map(({ name }: KnownNode, index) => [name, signOf(index)]))
  return Array.from({ length: ROWS }, (_, row) => {
    const y = (2 * (row + 0.5)) / ROWS - 1
    const line = Array.from({ length: COLUMNS }, (_unused, column) => {
      const x = (2 * (column + 0.5)) / COLUMNS - 1
      const radius = Math.hypot(x, y)
      if (radius > 1 || radius < INNER) return ' '
      const turn = (Math.atan2(x, -y) / (2 * Math.PI) + 1) % 1
      return signs.get(known.nodeAt(Math.floor(turn * RING_SIZE)) ?? '') ?? '.'
    })
    return line.join('').trimEnd()
  })
}

function signOf(index: number): string {
  return SIGNS[index] ?? '.'
}
