// One node of the partitioned store in a process of its own, with its share of the clients: they call it as a program does that has
// a node within it. What is to be done comes by messages: see cluster.ts.
import { openPartitionedNode, type PartitionedNode } from '../../ts/distributed/ring/store/public.ts'
import type { Counts, Order, Reply, Share } from './orders.ts'

let node: PartitionedNode | undefined
let isStopped = false
/** What each key of these clients was last written with. */
const contexts = new Map<string, string>()

process.on('message', ({ number, order }: { number: number; order: Order }) => {
  perform(order).then(
    (result) => tell({ number, result }),
    (error: unknown) => tell({ number, error: String(error) }),
  )
})
process.on('disconnect', () => process.exit())

function tell(reply: Reply): void {
  process.send?.(reply)
}

async function perform(order: Order): Promise<unknown> {
  if (order.kind === 'open') {
    node = await openPartitionedNode(order.path, { ...order.options, create: true })
    return undefined
  }
  if (node === undefined) throw new Error('the node is not open')
  switch (order.kind) {
    case 'fill':
      return fill(node, order.share, order.valueBytes)
    case 'puts': {
      const value = new Uint8Array(order.valueBytes).fill(120)
      return measure(node, order, keysOf, async (running, key, counts) => {
        const { context } = await running.put(key, value, { ...counts, context: contexts.get(key) })
        contexts.set(key, context)
      })
    }
    case 'gets': {
      // What is not there is found out sooner.
      const written = (share: Share, client: number): string[] =>
        keysOf(share, client).filter((key) => contexts.has(key))
      return measure(node, order, written, async (running, key, { n, r }) => void (await running.get(key, { n, r })))
    }
    case 'stop':
      isStopped = true
      return undefined
    case 'status':
      return node.status
    case 'change':
      return node.change(order.change, { where: order.where })
    case 'close':
      await node.close()
      setImmediate(() => process.disconnect())
      return undefined
  }
}

async function fill(running: PartitionedNode, share: Share, valueBytes: number): Promise<void> {
  const value = new Uint8Array(valueBytes).fill(120)
  await Promise.all(
    share.clients.map(async (client) => {
      for (const key of keysOf(share, client)) contexts.set(key, (await running.put(key, value)).context)
    }),
  )
}

/** Each client goes on with keys of its own until the time is over, or until it is stopped. @returns Milliseconds of each request. */
async function measure(
  running: PartitionedNode,
  { share, counts, seconds }: { share: Share; counts: Counts; seconds: number | undefined },
  keys: (share: Share, client: number) => readonly string[],
  request: (running: PartitionedNode, key: string, counts: Counts) => Promise<void>,
): Promise<Float64Array> {
  const times: number[] = []
  const end = seconds === undefined ? Number.POSITIVE_INFINITY : performance.now() + seconds * 1000
  isStopped = false
  await Promise.all(
    share.clients.map(async (client) => {
      const own = keys(share, client)
      for (let i = 0; own.length > 0 && performance.now() < end && !isStopped; i = (i + 1) % own.length) {
        const before = performance.now()
        await request(running, own[i] as string, counts)
        times.push(performance.now() - before)
        // Who reads what its own node has is answered at once: without a turn nobody else would ever have one.
        await new Promise((resolve) => setImmediate(resolve))
      }
    }),
  )
  return Float64Array.from(times)
}

function keysOf({ row, keysAClient }: Share, client: number): string[] {
  return Array.from({ length: keysAClient }, (_, i) => `${row}:${client}:${i}`)
}
