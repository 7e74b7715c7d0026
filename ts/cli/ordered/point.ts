// The commands that touch one key: set, get, delete.
import { open as openFile } from 'node:fs/promises'
import { BedplateError } from '../../base/errors.ts'
import { diskError } from '../../io/disk-errors.ts'
import { MAX_VALUE_BYTES } from '../../storage/ordered/types.ts'
import { complain } from '../kit/output.ts'
import { UsageError } from '../kit/program.ts'
import { asBuffer, formatBytes, formatNumber, isText, toLine, toText } from '../kit/text.ts'
import { answer, bytesOf, type Context, checkInput, existingTreeOf, treeOf, withReader, withWriter } from './context.ts'
import { toHex, toJson } from './show.ts'

export async function set(
  context: Context,
  path: string,
  keyText: string,
  valueText: string | undefined,
  options: { file?: string },
): Promise<void> {
  const key = bytesOf(context, keyText, 'the key')
  const value = await valueFrom(context, valueText, options.file)
  await withWriter(context, path, async (store) => {
    if (key.length > store.maxKeyBytes) throw longKey(context, key, store.maxKeyBytes)
    await treeOf(context, store).put(key, value)
  })
  await answer(context, { ok: true }, 'OK')
}

export async function get(context: Context, path: string, keyText: string): Promise<void> {
  const key = bytesOf(context, keyText, 'the key')
  const value = await withReader(context, path, async (store) => existingTreeOf(context, store).get(key))
  await showValue(context, path, key, value)
}

/** Prints the value that a key has in the store at `path`. @throws NOT_FOUND if it has none. */
export async function showValue(
  context: Context,
  path: string,
  key: Uint8Array,
  value: Uint8Array | undefined,
): Promise<void> {
  const { options, out } = context
  if (value === undefined) throw new BedplateError('NOT_FOUND', `${path} has no key ${toLine(key)}`)
  if (options.json === true) await out.line(JSON.stringify(toJson(options, { key, value })))
  else if (options.raw === true) await out.write(value)
  else if (options.hex === true) await out.line(toHex(value))
  else {
    await out.line(toText(value))
    if (!isText(value))
      complain(`${context.command.name}: the value is not plain text; --raw gives its bytes as they are\n`)
  }
  await out.flush()
}

export async function remove(context: Context, path: string, keyText: string): Promise<void> {
  const key = bytesOf(context, keyText, 'the key')
  const existed = await withWriter(context, path, async (store) => {
    const tree = treeOf(context, store)
    const found = tree.has(key)
    if (found) await tree.delete(key)
    return found
  })
  await answer(context, { ok: true, existed }, 'OK')
}

/** The store's own hint names its option, not the command's. */
function longKey({ command: { longKeyHint } }: Context, key: Uint8Array, maxKeyBytes: number): BedplateError {
  const [size, limit] = [formatNumber(key.length), formatNumber(maxKeyBytes)]
  return new BedplateError(
    'INVALID_INPUT',
    `the key has ${size} bytes, more than the ${limit} this database takes`,
    longKeyHint === undefined ? {} : { hint: longKeyHint },
  )
}

/** The value from the command line, from a file, or (`-`) from standard input; the latter two byte for byte. */
async function valueFrom(context: Context, text: string | undefined, file: string | undefined): Promise<Uint8Array> {
  if (file !== undefined) {
    if (text !== undefined) throw new UsageError('give a value or --file, not both')
    return readWhole(file)
  }
  if (text === undefined)
    throw new UsageError('the value is missing', 'give it as the last argument, as - or by --file')
  if (text !== '-') return bytesOf(context, text, 'the value')
  checkInput(context)
  return collect(process.stdin, 'standard input')
}

async function readWhole(file: string): Promise<Uint8Array> {
  try {
    const handle = await openFile(file)
    return await collect(handle.createReadStream(), file)
  } catch (error) {
    throw diskError('read', file, error)
  }
}

async function collect(input: AsyncIterable<Uint8Array>, name: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of input) {
    size += chunk.length
    // Refused while it is read, not after it has filled the memory.
    if (size > MAX_VALUE_BYTES) {
      throw new BedplateError('INVALID_INPUT', `${name} is larger than a value can be, ${formatBytes(MAX_VALUE_BYTES)}`)
    }
    chunks.push(chunk)
  }
  return asBuffer(Buffer.concat(chunks))
}
