// A worker thread that uses the published code: answers with the CRC-32C of its workerData.
import { parentPort, workerData } from 'node:worker_threads'
import { crc32c } from '../../dist/index.js'

parentPort.postMessage(crc32c(workerData))
