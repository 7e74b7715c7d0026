// Follows a log that another thread or process writes, until a given offset, and says what it found: how many records, how
// many with a content that does not follow from their offset, and how often a block came that the writer had not said to
// be durable.
import { parentPort, workerData } from 'node:worker_threads'
import { openAppendLog } from '../../dist/storage/append-log/index.js'

const [, , pathArgument, endArgument] = process.argv
const { path, end, isSlow } = workerData ?? { path: pathArgument, end: Number(endArgument) }
const log = await openAppendLog(path, { readOnly: true, pollMs: 1 })
const keepAlive = setInterval(() => {}, 1000)
const found = { records: 0, wrong: 0, early: 0 }
try {
  for await (const block of log.follow(0, { maxBytes: isSlow ? 500 : 20_000 })) {
    if (block.nextOffset > log.durableOffset) found.early++
    let offset = block.firstOffset
    for (const record of block) {
      if (Buffer.from(record).toString() !== `${offset} `.repeat(1 + (offset % 40))) found.wrong++
      offset++
    }
    found.records += block.count
    if (isSlow) await new Promise((resolve) => setImmediate(resolve))
    if (block.nextOffset >= end) break
  }
} catch (error) {
  found.code = error.code
}
await log.close()
clearInterval(keepAlive)
if (parentPort === null) console.log(JSON.stringify(found))
else parentPort.postMessage(found)
