// One of the threads of `get-4-workers`: says when it is warm, waits for the start, and tells its rate.
import { once } from 'node:events'
import { parentPort, workerData } from 'node:worker_threads'
import type { TaskRequest } from '../contest/types.ts'
import { contestantById } from './contestants/index.ts'
import { prepareGets } from './tasks.ts'

if (parentPort === null) throw new Error('read-worker.ts runs in a worker thread')
const request = workerData as TaskRequest
const start = await prepareGets(contestantById(request.contestant), request)
const started = once(parentPort, 'message')
parentPort.postMessage(0)
await started
parentPort.postMessage(await start())
parentPort.close() // nothing else keeps this thread alive
