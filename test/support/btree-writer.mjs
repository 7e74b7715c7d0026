// A process that is going to be killed: writes batches to a store without end, several on their way at once, and says on
// its standard output which are acknowledged.
//   node btree-writer.mjs PATH native|typescript FIRST
import { writeSync } from 'node:fs'
import { openBTree } from '../../dist/storage/btree/index.js'
import { operationsOf } from './btree-batches.mjs'

const AT_ONCE = 4
const STANDARD_OUTPUT = 1

async function main([path, engine, first]) {
  const store = await openBTree(path, { create: true, native: engine === 'native', cacheBytes: 0, pageSizeBytes: 4096 })
  let next = Number(first)
  const write = async () => {
    for (;;) {
      const batch = next++
      await store.batch(operationsOf(batch))
      writeSync(STANDARD_OUTPUT, `${batch}\n`)
      if (batch % 100 === 99) await store.checkpoint()
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, write))
}

await main(process.argv.slice(2))
