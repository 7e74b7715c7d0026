// The commands import and load: entries from files or standard input, in batches.
//
// Memory stays bounded: one chunk of a file, one batch being filled and one on its way to the disk. The next batch is
// handed over when the last one is acknowledged, and the file is read no faster than that.
import { accessSync, constants, createReadStream, statSync } from 'node:fs'
import { addAbortSignal, type Readable } from 'node:stream'
import { BedplateError, isCode } from '../../base/errors.ts'
import { diskError, isSystemError } from '../../io/disk-errors.ts'
import type { BatchOperation } from '../../storage/ordered-store.ts'
import { type Interrupt, interruptible } from '../kit/interrupt.ts'
import { complain } from '../kit/output.ts'
import { type Progress, startProgress } from '../kit/progress.ts'
import { formatNumber, plural, shorten, toLine } from '../kit/text.ts'
import { answer, type ByteTree, type Context, checkInput, treeOf, withWriter } from './context.ts'
import { formatOf, readerOf } from './formats/index.ts'
import type { Format, ReadRows, Row, RowShape } from './formats/types.ts'

export interface ImportArguments extends RowShape {
  format?: Format
  batch: number
  skipBad?: boolean
  /** Say after each batch how many entries are acknowledged. */
  acks?: boolean
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

/** A file to read; undefined: standard input. */
interface Source {
  readonly file: string | undefined
  readonly read: ReadRows
}

/**
 * Writes the entries of `files`, one after the other; without any, and for `-`, those of standard input.
 * @param unknown - The format where neither an option nor a name tells it; undefined: that of standard input is NDJSON, and
 *   for a file it is an error.
 */
export async function importFiles(
  context: Context,
  path: string,
  files: readonly string[],
  options: ImportArguments,
  unknown?: Format,
): Promise<void> {
  if (files.length === 0 || files.includes('-')) checkInput(context)
  const sources = await sourcesOf(files, options.format, unknown)
  const outcome: Outcome = { imported: 0, skipped: 0 }
  const startedAt = performance.now()
  await withWriter(context, path, (store) =>
    interruptible(async (interrupt) => {
      const progress = await startProgress({
        label: 'importing',
        total: sizeOf(sources),
        format: () => `${formatNumber(outcome.imported)} records`,
      })
      const importer = new Importer(context, treeOf(context, store), outcome, options, store.maxKeyBytes)
      try {
        await importer.run(readAll(sources, options, progress, interrupt), interrupt)
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
  private readonly context: Context
  private readonly tree: ByteTree
  private readonly outcome: Outcome
  private readonly options: ImportArguments
  private readonly maxKeyBytes: number
  private operations: BatchOperation<Uint8Array, Uint8Array>[] = []
  private bytes = 0
  private onItsWay: Promise<void> = Promise.resolve()

  constructor(context: Context, tree: ByteTree, outcome: Outcome, options: ImportArguments, maxKeyBytes: number) {
    this.context = context
    this.tree = tree
    this.outcome = outcome
    this.options = options
    this.maxKeyBytes = maxKeyBytes
  }

  /** Whatever ends it early, the rows before that point are in the tree when it returns. */
  async run(input: AsyncIterable<RowsOf>, interrupt: Interrupt): Promise<void> {
    try {
      for await (const { file, rows } of input) {
        for (const row of rows) if (this.take(row, file)) await this.handOver()
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
  private take(row: Row, file: string | undefined): boolean {
    const problem = this.problemOf(row)
    if (problem !== undefined || 'problem' in row) {
      this.refuse(placeOf(row.line, file), problem ?? '')
      return false
    }
    this.operations.push({ type: 'put', key: row.key, value: row.value })
    this.bytes += row.key.length + row.value.length
    return this.operations.length >= this.options.batch || this.bytes >= MAX_BATCH_BYTES
  }

  private problemOf(row: Row): string | undefined {
    if ('problem' in row) return row.problem
    const { maxKeyBytes } = this
    if (row.key.length <= maxKeyBytes) return undefined
    const start = shorten(toLine(row.key.subarray(0, 32)), 32)
    return `the key ${start}… has ${formatNumber(row.key.length)} bytes, more than the ${formatNumber(maxKeyBytes)} this store takes`
  }

  private refuse(place: string, problem: string): void {
    if (this.options.skipBad !== true) {
      throw new BedplateError('INVALID_INPUT', `${place}: ${problem}`, {
        hint: 'the lines before it are imported; --skip-bad leaves out what cannot be read',
      })
    }
    const { name } = this.context.command
    this.outcome.skipped++
    if (this.outcome.skipped <= MAX_NAMED) complain(`${name}: ${place} left out: ${problem}\n`)
    if (this.outcome.skipped === MAX_NAMED + 1) complain(`${name}: more lines are left out\n`)
  }

  private async handOver(): Promise<void> {
    const { operations } = this
    this.operations = []
    this.bytes = 0
    await this.onItsWay
    this.onItsWay = this.tree.batch(operations).then(() => this.acknowledged(operations.length))
    // It is awaited before the next batch; a failure until then must not count as unhandled.
    this.onItsWay.catch(() => {})
  }

  private async acknowledged(count: number): Promise<void> {
    this.outcome.imported += count
    if (this.options.acks !== true) return
    const { imported } = this.outcome
    await answer(this.context, { acknowledged: imported }, `acknowledged ${imported}`)
  }

  private async finish(): Promise<void> {
    if (this.operations.length > 0) await this.handOver()
    await this.onItsWay
  }
}

/** Some rows, and the file that they are of. */
interface RowsOf {
  readonly file: string | undefined
  readonly rows: readonly Row[]
}

async function sourcesOf(
  files: readonly string[],
  asked: Format | undefined,
  unknown: Format | undefined,
): Promise<Source[]> {
  const names = (files.length === 0 ? ['-'] : files).map((file) => (file === '-' ? undefined : file))
  for (const file of names) if (file !== undefined) checkThere(file)
  return Promise.all(names.map(async (file) => ({ file, read: await readerOf(formatOf(asked, file, unknown)) })))
}

async function* readAll(
  sources: readonly Source[],
  shape: RowShape,
  progress: Progress,
  interrupt: Interrupt,
): AsyncGenerator<RowsOf> {
  const count = { bytes: 0 }
  for (const { file, read } of sources) {
    const input = openInput(file, interrupt)
    try {
      for await (const rows of read(counted(input, count, progress), shape)) yield { file, rows }
    } catch (error) {
      throw inFile(error, file)
    }
  }
}

function openInput(file: string | undefined, { signal }: Interrupt): Readable {
  return file === undefined
    ? addAbortSignal(signal, process.stdin)
    : createReadStream(file, { signal, highWaterMark: 1 << 18 })
}

/** The chunks of `input`, each counted; its failures as errors of ours. */
async function* counted(input: Readable, count: { bytes: number }, progress: Progress): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of input as AsyncIterable<Uint8Array>) {
      yield chunk
      count.bytes += chunk.length
      progress.update(count.bytes)
    }
  } catch (error) {
    const { path } = input as { path?: string }
    throw isSystemError(error, 'ABORT_ERR') ? error : diskError('read', path ?? 'standard input', error)
  }
}

/** A format reader knows lines, but not whose. */
function inFile(error: unknown, file: string | undefined): unknown {
  if (!isCode(error, 'INVALID_INPUT') || file === undefined) return error
  const { message, hint } = error as BedplateError
  return new BedplateError('INVALID_INPUT', `${file}, ${message}`, hint === undefined ? {} : { hint })
}

function placeOf(line: number, file: string | undefined): string {
  return file === undefined ? `line ${line}` : `${file}, line ${line}`
}

/** A file that is missing is told before a name that tells no format. */
function checkThere(file: string): void {
  try {
    accessSync(file, constants.R_OK)
  } catch (error) {
    throw diskError('read', file, error)
  }
}

/** Bytes of all sources; undefined if one of them is no file. */
function sizeOf(sources: readonly Source[]): number | undefined {
  let size = 0
  for (const { file } of sources) {
    const stats = file === undefined ? undefined : statSync(file, { throwIfNoEntry: false })
    if (stats?.isFile() !== true) return undefined
    size += stats.size
  }
  return size
}

function summary({ imported, skipped }: Outcome, seconds: number): string {
  const rate = seconds > 0.5 ? `, ${formatNumber(Math.round(imported / seconds))} a second` : ''
  const left = skipped === 0 ? '' : `; ${plural(skipped, 'line')} left out`
  return `Imported ${plural(imported, 'record')} in ${formatNumber(seconds)} s${rate}${left}`
}
