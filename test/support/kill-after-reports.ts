// Starts a process that says what it does, a line of JSON each, and kills it.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { must } from './btree-crash/expectation.ts'

/** A report of failure, among whatever else the process says. */
interface Said {
  say: string
}

/**
 * Runs `program` and kills it after so many reports.
 * @param orders - Its argument, as JSON.
 * @returns All that it said, to the end of what is in the pipe: some of it after the kill was decided.
 * @throws Violation if it reports a failure, or ends by itself.
 */
export async function killAfterReports<R extends Said>(program: string, orders: object, count: number): Promise<R[]> {
  const child = fork(program, [JSON.stringify(orders)], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  const ended = once(child, 'close')
  const reports: R[] = []
  try {
    for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
      reports.push(JSON.parse(line) as R)
      if (reports.length === count) child.kill('SIGKILL')
    }
    await ended
  } finally {
    child.kill('SIGKILL')
  }
  for (const report of reports) must(report.say !== 'failed', () => `the writer failed: ${JSON.stringify(report)}`)
  must(child.signalCode === 'SIGKILL', () => `the writer ended by itself, with ${child.signalCode ?? child.exitCode}`)
  return reports
}
