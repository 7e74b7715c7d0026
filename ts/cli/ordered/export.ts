// The command export: every entry of a tree, to standard output or to a file that appears only when it is whole.
import { createWriteStream, renameSync, rmSync, type WriteStream } from 'node:fs'
import { BedplateError } from '../../base/errors.ts'
import { diskError } from '../../io/disk-errors.ts'
import { type Interrupt, interruptible } from '../kit/interrupt.ts'
import { Output } from '../kit/output.ts'
import { type Progress, startProgress } from '../kit/progress.ts'
import { formatBytes, formatNumber, plural, toLine } from '../kit/text.ts'
import { answer, type ByteTree, type Context, existingTreeOf, withReader } from './context.ts'
import { formatOf, writerOf } from './formats/index.ts'
import { type Format, MAX_LINE_BYTES, type RowWriter } from './formats/types.ts'

export async function exportFile(
  context: Context,
  path: string,
  file: string | undefined,
  options: { format?: Format },
): Promise<void> {
  const target = file === '-' ? undefined : file
  const writer = await writerOf(formatOf(options.format, target))
  await withReader(context, path, (store) =>
    interruptible(async (interrupt) => {
      const tree = existingTreeOf(context, store)
      const progress = await startProgress({ label: 'exporting', total: keyCountOf(tree), format: formatNumber })
      const { largeValueHint } = context.command
      const copy = (out: Output): Promise<number> =>
        writeAll({ tree, writer, largeValueHint }, out, progress, interrupt)
      try {
        if (target === undefined) return void (await copy(context.out))
        const exported = await replaceFile(target, copy)
        progress.stop()
        await answer(context, { exported, file: target }, `Exported ${plural(exported, 'record')} to ${target}`)
      } finally {
        progress.stop()
      }
    }),
  )
}

/** What is written, and how. */
interface Job {
  readonly tree: ByteTree
  readonly writer: RowWriter
  readonly largeValueHint: string
}

async function writeAll(
  { tree, writer, largeValueHint }: Job,
  out: Output,
  progress: Progress,
  interrupt: Interrupt,
): Promise<number> {
  let count = 0
  await out.write(writer.header)
  for (const [key, value] of tree.range()) {
    if (key.length + value.length > MAX_LINE_BYTES / 4) throw tooLarge(key, value, largeValueHint)
    const written = out.write(writer.row(key, value))
    count++
    if (written === undefined) continue
    await written
    progress.update(count)
    interrupt.check()
  }
  await out.flush()
  return count
}

/** A B-tree knows how many keys it has, an LSM store does not. */
function keyCountOf(tree: ByteTree & { readonly keyCount?: number }): number | undefined {
  return tree.keyCount
}

/** Escapes can make four characters of one byte, and the line must still be one that import takes. */
function tooLarge(key: Uint8Array, value: Uint8Array, hint: string): BedplateError {
  return new BedplateError(
    'NOT_SUPPORTED',
    `the value of ${toLine(key)} is too large for a line: ${formatBytes(value.length)}`,
    { hint },
  )
}

/** Runs `write` on a new file, then gives it its name. */
async function replaceFile<T>(file: string, write: (out: Output) => Promise<T>): Promise<T> {
  const temporary = `${file}.partial`
  const stream = createWriteStream(temporary)
  try {
    const result = await write(new Output(stream, file))
    await close(stream)
    renameSync(temporary, file)
    return result
  } catch (error) {
    stream.destroy()
    rmSync(temporary, { force: true })
    throw error instanceof Error && 'syscall' in error ? diskError('write', file, error) : error
  }
}

function close(stream: WriteStream): Promise<void> {
  return new Promise((resolve, reject) => stream.end((error?: Error | null) => (error ? reject(error) : resolve())))
}
