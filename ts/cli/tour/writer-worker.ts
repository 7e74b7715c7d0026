// The process that the tour kills: writes batches of orders without end, several on their way at once, and says on its
// standard output when it begins a batch and when that is acknowledged.
//
//   begun 17
//   acknowledged 17
//   failed {"code":"DISK_FULL","message":"..."}     and then it ends
//
// Each line is written at once and synchronously: what the process has said before it is killed, the pipe has.
import { writeSync } from 'node:fs'
import { BedplateError } from '../../base/errors.ts'
import type { TreeStore } from '../../storage/ordered/types.ts'
import { closing } from '../kit/closing.ts'
import { BATCHES_AT_ONCE, destinations, ordersOf, writesOf } from './orders.ts'
import { type Kind, openTourStore } from './tour-store.ts'

const STANDARD_OUTPUT = 1
/** It is killed long before; without its parent it must not go on for ever. */
const MAX_BATCHES = 20_000

async function main(kind: Kind, path: string): Promise<void> {
  await closing(await openTourStore(kind, path), async (store) => {
    const cities = destinations(store)
    const numbers = Array.from({ length: MAX_BATCHES }, (_, batch) => batch).values()
    await Promise.all(Array.from({ length: BATCHES_AT_ONCE }, () => writeBatches(store, cities, numbers)))
  })
}

/** Writes one batch after the other; the next number is whichever is left. */
async function writeBatches(store: TreeStore, cities: readonly number[], numbers: Iterable<number>): Promise<void> {
  for (const batch of numbers) {
    say(`begun ${batch}`)
    await store.batch(writesOf(ordersOf(batch, cities)))
    say(`acknowledged ${batch}`)
  }
}

function say(line: string): void {
  writeSync(STANDARD_OUTPUT, `${line}\n`)
}

try {
  await main(process.argv[2] as Kind, process.argv[3] as string)
} catch (error) {
  const { code, message } = error instanceof BedplateError ? error : { code: 'INTERNAL', message: String(error) }
  say(`failed ${JSON.stringify({ code, message })}`)
  process.exitCode = 1
}
