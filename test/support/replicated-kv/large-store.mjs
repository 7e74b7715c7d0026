// Moves a store from one disk to another as replicas do, and says how much memory that took beside the stores themselves:
//   node --expose-gc large-store.mjs DIRECTORY MEBIBYTES
// It prints what was moved, and the most bytes of heap and of buffers that were in use at a time, above those before.
import { join } from 'node:path'
import { SnapshotFiles } from '../../../dist/distributed/raft/index.js'
import { encodeWrites } from '../../../dist/distributed/replication/server/command.js'
import { KvMachine } from '../../../dist/distributed/replication/server/machine.js'
import { openRecords } from '../../../dist/distributed/replication/server/records.js'
import { realClock } from '../../../dist/io/clock.js'
import { realDisk } from '../../../dist/io/real-disk.js'

const VALUE_BYTES = 32 * 1024
const CHUNK_BYTES = 64 * 1024
/** Looking at memory takes a while: it is done once for so many pieces. */
const PIECES_A_LOOK = 64

async function main([directory, mebibytes]) {
  const count = (Number(mebibytes) * 1024 * 1024) / VALUE_BYTES
  const source = await openMachine(join(directory, 'source'))
  for (let i = 0; i < count; i++) {
    const value = Buffer.alloc(VALUE_BYTES, i)
    source.apply(encodeWrites([{ key: Buffer.from(`key ${i}`), value }]), i + 1)
    if (i % 64 === 63) await realClock.turn()
  }
  const before = used()
  let most = 0
  let pieces = 0
  const turn = async () => {
    if (++pieces % PIECES_A_LOOK === 0) most = Math.max(most, used() - before)
    await realClock.turn()
  }

  const sending = new SnapshotFiles(realDisk, join(directory, 'sending'))
  const receiving = new SnapshotFiles(realDisk, join(directory, 'receiving'))
  const name = { index: count, term: 1 }
  const { pieces: state, close } = source.pieces.snapshot()
  const sizeBytes = await sending.write(name, state, turn)
  close()
  await sending.check(count, turn)
  for (let offset = 0; offset < sizeBytes; offset += CHUNK_BYTES) {
    const chunk = sending.readChunk(count, offset, Math.min(CHUNK_BYTES, sizeBytes - offset))
    receiving.storeChunk(name, offset, chunk)
    await turn()
  }
  await receiving.finishIncoming(name)()
  const target = await openMachine(join(directory, 'target'))
  await target.pieces.take(receiving.pieces(name, turn), count)
  most = Math.max(most, used() - before)
  target.pieces.adopt()

  const found = [...target.range({ gte: Buffer.from(`key ${count - 1}`), lte: Buffer.from(`key ${count - 1}`) })]
  const isWhole = target.keyCount === count && target.appliedIndex === count && found[0][1].length === VALUE_BYTES
  process.stdout.write(`${JSON.stringify({ isWhole, sizeBytes, mostBytes: most })}\n`)
  await source.close()
  await target.close()
}

async function openMachine(path) {
  return new KvMachine(
    await openRecords(path, (error) => {
      throw error
    }),
  )
}

/** What is reachable: rubbish that waits to be collected is no need for memory. */
function used() {
  globalThis.gc()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

await main(process.argv.slice(2))
