// A process that is going to be killed: writes batches to a store without end, several on their way at once, and says on
// its standard output which are acknowledged.
//   node lsm-writer.mjs PATH native|typescript FIRST
import { writeSync } from 'node:fs'
import { openLsm } from '../../dist/storage/lsm/index.js'
import { operationsOf } from './btree-batches.mjs'

const AT_ONCE = 4
const STANDARD_OUTPUT = 1

async function main([path, engine, first]) {
  const options = { create: true, native: engine === 'native', memtableBytes: 64 * 1024, memoryBytes: 1024 * 1024 }
  const store = await openLsm(path, options)
  let next = Number(first)
  const write = async () => {
    for (;;) {
      const batch = next++
      await store.batch(operationsOf(batch))
      writeSync(STANDARD_OUTPUT, `${batch}\n`)
      if (batch % 100 === 99) await store.flush()
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, write))
}

await main(process.argv.slice(2))
