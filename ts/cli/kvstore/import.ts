// kvstore import: entries from a file or standard input, in batches.
//
// Memory stays bounded: one chunk of the file, one batch being filled and one on its way to the disk. The next batch is
// handed over when the last one is acknowledged, and the file is read no faster than that.
import { accessSync, constants, createReadStream, statSync } from 'node:fs'
import { addAbortSignal, type Readable } from 'node:stream'
import { BedplateError } from '../../base/errors.ts'
import { diskError, isSystemError } from '../../io/disk-errors.ts'
import type { BatchOperation } from '../../storage/btree/index.ts'
import { type Interrupt, interruptible } from '../kit/interrupt.ts'
import { complain } from '../kit/output.ts'
import { type Progress, startProgress } from '../kit/progress.ts'
import { formatNumber, plural, shorten, toLine } from '../kit/text.ts'
import { answer, type ByteTree, type Context, treeOf, withWriter } from './context.ts'
import { formatOf, readerOf } from './formats/index.ts'
import type { Format, Row, RowShape } from './formats/types.ts'

export interface ImportArguments extends RowShape {
  format?: Format
  batch: number
  skipBad?: boolean
}

/** A batch is also handed over when its keys and values have this size. */
const MAX_BATCH_BYTES = 8 * 1024 * 1024
/** With --skip-bad, this many bad lines are named; the others are counted. */
const MAX_NAMED = 10

/** How far an import came. */
interface Outcome {
  imported: number
  skipped: number
}

export async function importFile(
  context: Context,
  path: string,
  file: string | undefined,
  options: ImportArguments,
): Promise<void> {
  const source = file === '-' ? undefined : file
  if (source !== undefined) checkThere(source)
  const read = await readerOf(formatOf(options.format, source))
  const outcome: Outcome = { imported: 0, skipped: 0 }
  const startedAt = performance.now()
  await withWriter(context, path, (store) =>
    interruptible(async (interrupt) => {
      const input = openInput(source, interrupt)
      const progress = await startProgress({
        label: 'importing',
        total: sizeOf(source),
        format: () => progressText(outcome),
      })
      const limits = { batch: options.batch, maxKeyBytes: store.maxKeyBytes, skipBad: options.skipBad === true }
      const importer = new Importer(treeOf(context, store), outcome, limits)
      try {
        await importer.run(read(counted(input, progress), options), interrupt)
      } finally {
        progress.stop()
        const seconds = Math.round(performance.now() - startedAt) / 1000
        await answer(context, { ...outcome, seconds }, summary(outcome, seconds))
      }
    }),
  )
}

/** Fills batches with rows and hands them to a tree. */
class Importer {
  private readonly tree: ByteTree
  private readonly outcome: Outcome
  private readonly limits: { batch: number; maxKeyBytes: number; skipBad: boolean }
  private operations: BatchOperation<Uint8Array, Uint8Array>[] = []
  private bytes = 0
  private onItsWay: Promise<void> = Promise.resolve()

  constructor(tree: ByteTree, outcome: Outcome, limits: Importer['limits']) {
    this.tree = tree
    this.outcome = outcome
    this.limits = limits
  }

  /** Whatever ends it early, the rows before that point are in the tree when it returns. */
  async run(rows: AsyncIterable<readonly Row[]>, interrupt: Interrupt): Promise<void> {
    try {
      for await (const some of rows) {
        for (const row of some) if (this.take(row)) await this.handOver()
        interrupt.check()
      }
    } catch (error) {
      await this.finish()
      interrupt.check() // the input was cut off by the signal: that is the reason, not its error
      throw error
    }
    await this.finish()
  }

  /** Adds a row to the batch; true once that is full. @throws INVALID_INPUT for a bad row. */
  private take(row: Row): boolean {
    const problem = this.problemOf(row)
    if (problem !== undefined || 'problem' in row) {
      this.refuse(row.line, problem ?? '')
      return false
    }
    this.operations.push({ type: 'put', key: row.key, value: row.value })
    this.bytes += row.key.length + row.value.length
    return this.operations.length >= this.limits.batch || this.bytes >= MAX_BATCH_BYTES
  }

  private problemOf(row: Row): string | undefined {
    if ('problem' in row) return row.problem
    const { maxKeyBytes } = this.limits
    if (row.key.length <= maxKeyBytes) return undefined
    const start = shorten(toLine(row.key.subarray(0, 32)), 32)
    return `the key ${start}… has ${formatNumber(row.key.length)} bytes, more than the ${formatNumber(maxKeyBytes)} this store takes`
  }

  private refuse(line: number, problem: string): void {
    if (!this.limits.skipBad) {
      throw new BedplateError('INVALID_INPUT', `line ${line}: ${problem}`, {
        hint: 'the lines before it are imported; --skip-bad leaves out what cannot be read',
      })
    }
    this.outcome.skipped++
    if (this.outcome.skipped <= MAX_NAMED) complain(`kvstore: line ${line} left out: ${problem}\n`)
    if (this.outcome.skipped === MAX_NAMED + 1) complain('kvstore: more lines are left out\n')
  }

  private async handOver(): Promise<void> {
    const { operations } = this
    this.operations = []
    this.bytes = 0
    await this.onItsWay
    this.onItsWay = this.tree.batch(operations).then(() => {
      this.outcome.imported += operations.length
    })
    // It is awaited before the next batch; a failure until then must not count as unhandled.
    this.onItsWay.catch(() => {})
  }

  private async finish(): Promise<void> {
    if (this.operations.length > 0) await this.handOver()
    await this.onItsWay
  }
}

function openInput(file: string | undefined, { signal }: Interrupt): Readable {
  return file === undefined
    ? addAbortSignal(signal, process.stdin)
    : createReadStream(file, { signal, highWaterMark: 1 << 18 })
}

/** The chunks of `input`, each counted; its failures as errors of ours. */
async function* counted(input: Readable, progress: Progress): AsyncGenerator<Uint8Array> {
  let bytes = 0
  try {
    for await (const chunk of input as AsyncIterable<Uint8Array>) {
      yield chunk
      bytes += chunk.length
      progress.update(bytes)
    }
  } catch (error) {
    const { path } = input as { path?: string }
    throw isSystemError(error, 'ABORT_ERR') ? error : diskError('read', path ?? 'standard input', error)
  }
}

/** A file that is missing is told before a name that tells no format. */
function checkThere(file: string): void {
  try {
    accessSync(file, constants.R_OK)
  } catch (error) {
    throw diskError('read', file, error)
  }
}

function sizeOf(file: string | undefined): number | undefined {
  const stats = file === undefined ? undefined : statSync(file, { throwIfNoEntry: false })
  return stats?.isFile() === true ? stats.size : undefined
}

function progressText({ imported }: Outcome): string {
  return `${formatNumber(imported)} records`
}

function summary({ imported, skipped }: Outcome, seconds: number): string {
  const rate = seconds > 0.5 ? `, ${formatNumber(Math.round(imported / seconds))} a second` : ''
  const left = skipped === 0 ? '' : `; ${plural(skipped, 'line')} left out`
  return `Imported ${plural(imported, 'record')} in ${formatNumber(seconds)} s${rate}${left}`
}
