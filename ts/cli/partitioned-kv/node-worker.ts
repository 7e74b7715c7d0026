// A node of a cluster in a thread of its own, until the thread that started it says so.
import { parentPort, workerData } from 'node:worker_threads'
import { BedplateError } from '../../base/errors.ts'
import { makeNode } from './node.ts'
import type { FromNode, NodeData } from './node-messages.ts'

const { server } = makeNode(workerData as NodeData)

parentPort?.once('message', () => {
  void server
    .drain()
    .then(() => server.stop())
    .finally(() => parentPort?.close())
})
server.failed.catch(failed)
server.start().then(({ host, port }) => tell({ kind: 'ready', host, port }), failed)

function failed(error: unknown): void {
  const known = error instanceof BedplateError ? error : new BedplateError('INTERNAL', String(error))
  tell({ kind: 'failed', code: known.code, message: known.message, hint: known.hint })
}

function tell(message: FromNode): void {
  parentPort?.postMessage(message)
}
