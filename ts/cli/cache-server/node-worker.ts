// A node of a cluster in a thread of its own: a server that does what the thread that started it asks.
import { parentPort, workerData } from 'node:worker_threads'
import { BedplateError } from '../../base/errors.ts'
import { CacheServer } from '../../cache/index.ts'
import { realClock } from '../../io/clock.ts'
import { realNetwork } from '../../io/network.ts'
import { realRandom } from '../../io/random.ts'
import { createLogger } from '../../service/index.ts'
import { complain } from '../kit/output.ts'
import { cpuSeconds } from './cpu.ts'
import { memoryCeiling } from './memory.ts'
import type { FromNode, Gate, NodeAnswer, NodeData, NodeRequest, NodeStatus, ToNode } from './node-messages.ts'

const { gate, data } = workerData as { gate: Gate; data: NodeData }
const { name, logLevel, memory, ...options } = data
const server = new CacheServer({
  ...options,
  network: realNetwork,
  clock: realClock,
  random: realRandom,
  logger: createLogger({ name, level: logLevel, now: realClock.now, write: complain }),
  memory: { ...memory, ceilingBytes: memoryCeiling() }, // a thread has a heap of its own
  memoryBytes: () => process.memoryUsage().heapUsed,
  cpuSeconds,
})

parentPort?.on('message', (request: ToNode) => void reply(request))
server.failed.catch((error: unknown) => tell({ kind: 'failed', message: String(error) }))

void server.ended.then(async () => {
  await server.stop()
  tell({ kind: 'ended' })
  parentPort?.close()
})

async function reply(request: ToNode): Promise<void> {
  let answer: NodeAnswer
  try {
    answer = await handle(request)
  } catch (error) {
    const { code, hint } = error instanceof BedplateError ? error : { code: 'INTERNAL', hint: undefined }
    answer = { kind: 'error', code, message: error instanceof Error ? error.message : String(error), hint }
  }
  tell({ ...answer, id: request.id })
  if (request.kind === 'stop') parentPort?.close()
  if (request.kind === 'pause') Atomics.wait(gate, 0, 1) // connections stay open, and nobody is answered
}

async function handle(request: NodeRequest): Promise<NodeAnswer> {
  switch (request.kind) {
    case 'start':
      await server.start()
      return { kind: 'status', status: status() }
    case 'status':
      return { kind: 'status', status: status() }
    case 'order': {
      const refusal = server.member?.order(request.order)
      if (refusal !== undefined) throw new BedplateError('INTERNAL', `${request.order.kind} was refused: ${refusal}`)
      return { kind: 'done' }
    }
    case 'drain':
      await server.drain()
      return { kind: 'done' }
    case 'stop':
      await server.stop()
      return { kind: 'done' }
    case 'metrics':
      return { kind: 'metrics', metrics: server.metrics() }
    case 'pause':
      return { kind: 'done' }
    case 'execute':
      return { kind: 'replies', replies: request.commands.map((args) => server.execute(args)) }
    case 'inspect':
      return { kind: 'inspection', value: server.inspect() }
  }
}

function status(): NodeStatus {
  const { member } = server
  if (member === undefined)
    throw new BedplateError('INTERNAL', 'a node of a cluster was started as a server on its own')
  const { topology } = member
  const { myself } = topology
  const known = [...topology.nodes.values()].map((node) => ({ name: node.name, master: node.master?.name }))
  const { port, busPort } = myself
  const slots = [...topology.allRanges()].flatMap(([owner, ranges]) =>
    ranges.map(({ first, last }) => ({ owner: owner.name, first, last })),
  )
  const hasData = myself.master === undefined || member.offsetOf(myself) > 0
  return { name: myself.name, host: data.host, port, busPort, isUp: topology.isUp, hasData, known, slots }
}

function tell(message: FromNode): void {
  parentPort?.postMessage(message)
}
