// The process that is killed: opens the log and does steps until it is. Many promises are open at any time.
import { writeSync } from 'node:fs'
import { type AppendLog, openAppendLog } from '../../../ts/storage/append-log/index.ts'
import { type Report, recordAt, stepAt, type WriterOrders } from './plan.ts'

const STANDARD_OUTPUT = 1
const MOST_OPEN_STEPS = 24
const STEPS_A_TURN = 5

const orders = JSON.parse(process.argv[2] as string) as WriterOrders
let openSteps = 0
/** Where the log begins once every truncation that was begun has ended. */
let beginning = 0

// Whoever started it is gone: so must it be.
process.on('disconnect', () => process.exit(1))
await main().catch(fail)

async function main(): Promise<void> {
  const { path, durability, firstStep } = orders
  const log = await openAppendLog(path, { create: true, durability, segmentBytes: 16 * 1024 })
  beginning = log.firstOffset
  say({ say: 'opened' })
  for (let number = firstStep; ; number++) {
    openSteps++
    perform(log, number).then(() => {
      openSteps--
      say({ say: 'done', step: number })
    }, fail)
    while (openSteps >= MOST_OPEN_STEPS) await turn()
    if (number % STEPS_A_TURN === 0) await turn()
  }
}

function perform(log: AppendLog, number: number): Promise<unknown> {
  const step = stepAt(orders.seed, number)
  const { nextOffset } = log
  if (step.kind === 'append') {
    say({ say: 'append', step: number, first: nextOffset, count: step.count })
    return log.append(Array.from({ length: step.count }, (_, i) => recordAt(orders.seed, nextOffset + i, number)))
  }
  const removed = Math.floor((nextOffset - beginning) * step.part)
  if (step.kind === 'before') {
    beginning += removed
    say({ say: 'truncate before', step: number, offset: beginning })
    return log.truncateBefore(beginning)
  }
  say({ say: 'truncate after', step: number, offset: nextOffset - removed - 1 })
  return log.truncateAfter(nextOffset - removed - 1)
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function say(report: Report): void {
  writeSync(STANDARD_OUTPUT, `${JSON.stringify(report)}\n`)
}

function fail(error: unknown): void {
  say({ say: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  process.exit(1)
}
