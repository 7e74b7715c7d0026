// lsmstore inspect: a table or the manifest, bytes beside what they mean. docs/formats/lsm.md says more.
import { join } from 'node:path'
import {
  type EntryDescription,
  type FilePart,
  type FileSection,
  inspectTable,
  type TableDescription,
} from '../../storage/lsm/index.ts'
import { UsageError } from '../kit/program.ts'
import { paint } from '../kit/style.ts'
import { asBuffer, formatNumber, plural, toLine } from '../kit/text.ts'
import type { Context } from '../ordered/context.ts'
import { brief, dump, heading, row } from '../ordered/dump.ts'
import { toHex, toJson } from '../ordered/show.ts'
import { manifestOf } from './levels.ts'
import type { LsmBytes } from './store.ts'

export interface InspectArguments {
  block?: number
}

type LsmContext = Context<LsmBytes>

/** What the numbers of some fields stand for. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  type: ['', 'data', 'filter', 'index', 'range tombstones', 'properties'],
  codec: ['as it is', 'LZ4'],
  style: ['leveled', 'tiered', 'fifo'],
  compression: ['none', 'LZ4'],
}
/** Lists of parts are cut there: an index has one for each block. A data block that was asked for is shown whole. */
const MAX_PARTS = 64
const TREE_ID_BYTES = 4

export async function inspect(
  context: LsmContext,
  what: string,
  path: string,
  { block }: InspectArguments,
): Promise<void> {
  if (what === 'sstable') return inspectSstable(context, path, block)
  if (what !== 'manifest')
    throw new UsageError(`there is no ${what} to inspect`, 'inspect sstable FILE, or inspect manifest DATABASE')
  if (block !== undefined) throw new UsageError('a manifest has no blocks', 'inspect sstable FILE --block N')
  await inspectManifestOf(context, path)
}

async function inspectSstable(context: LsmContext, path: string, block: number | undefined): Promise<void> {
  const table = inspectTable(path, block === undefined ? {} : { block })
  const { options, out } = context
  if (options.json === true) {
    const { fileBytes, blocks } = table
    const document = {
      fileBytes,
      sections: table.sections.map(sectionAsJson),
      blocks: blocks.map(({ separator, ...place }) => ({ separator: internalKey(separator), ...place })),
      entries: table.entries.map((entry) => entryAsJson(context, entry)),
    }
    await out.line(JSON.stringify(document))
  } else {
    for (const section of table.sections) {
      const limit = section.name === `data block ${block}` ? Number.POSITIVE_INFINITY : MAX_PARTS
      for (const line of describe(section, { path, limit }, (part) => meaning(part, section, table)))
        await out.line(line)
      await out.line('')
    }
    await out.line(summary(table, block ?? 0))
  }
  await out.flush()
}

async function inspectManifestOf({ options, out }: LsmContext, path: string): Promise<void> {
  const { section, trees, tables } = manifestOf(path)
  if (options.json === true) {
    const shown = tables.map(({ start, end, id, ...rest }) => ({
      ...rest,
      id: toHex(id),
      start: internalKey(start),
      end: internalKey(end),
    }))
    await out.line(JSON.stringify({ ...sectionAsJson(section), trees, tables: shown }))
  } else {
    const place = { path: join(path, 'manifest'), limit: MAX_PARTS }
    for (const line of describe(section, place, (part) => meaning(part, section))) await out.line(line)
    await out.line('')
    await out.line(`${plural(trees.length, 'tree')}, ${plural(tables.length, 'table')}`)
  }
  await out.flush()
}

function* describe(
  section: FileSection,
  { path, limit }: { path: string; limit: number },
  meaningOf: (part: FilePart) => string,
): Generator<string> {
  const style = paint(process.stdout)
  const { name, offset, length, problem, isPacked, bytes, parts } = section
  const state = problem === undefined ? 'whole' : style('red', `DAMAGED: ${problem}`)
  const place = `${plural(length, 'byte')} at byte ${formatNumber(offset)} of ${path}`
  yield `${style('bold', name)}, ${place}, ${state}`
  if (isPacked) yield style('dim', `packed; below, the header and ${plural(bytes.length, 'byte')} of it unpacked`)
  yield style('dim', heading('meaning'))
  for (const part of parts.slice(0, limit)) yield row(part, bytes, meaningOf(part))
  const more = parts.length - limit
  if (more > 0) yield style('dim', `${plural(more, 'part')} more; --json has all`)
  if (parts.length === 0) yield* dump(bytes)
}

function meaning({ name, offset, length, value }: FilePart, { bytes }: FileSection, table?: TableDescription): string {
  const entry = table?.entries[Number(/^entry (\d+)$/.exec(name)?.[1])]
  if (entry !== undefined) return describeEntry(entry)
  if (name === 'checksum') return `checksum 0x${toHex(bytes.slice(offset, offset + length).reverse())}`
  if (name === 'magic') return `magic "${value}"`
  if (name === 'createdAt') return `createdAt ${new Date(Number(value)).toISOString()}`
  if (value === undefined) return `${name}, ${plural(length, 'byte')}`
  if (typeof value === 'object') return `${name} ${describeInternalKey(value)}`
  if (typeof value === 'string') return `${name} ${toLine(Buffer.from(value))}`
  const meant = NAMES[name]?.[value]
  return `${name} ${formatNumber(value)}${meant === undefined ? '' : ` (${meant})`}`
}

function describeEntry({ treeId, key, sequence, kind, value }: EntryDescription): string {
  const shown = kind === 'increment' && value.length === 8 ? asBuffer(value).readBigInt64LE() : brief(value)
  return `tree ${treeId}, ${brief(key)} @${formatNumber(sequence)}: ${kind}${kind === 'delete' ? '' : ` ${shown}`}`
}

function describeInternalKey(bytes: Uint8Array): string {
  const { treeId, key } = internalKey(bytes)
  return `tree ${treeId}${key === '' ? '' : `, ${key}`}`
}

/** An internal key, taken apart. Bounds may be any bytes, so the key is for people. */
function internalKey(bytes: Uint8Array): { treeId: number; key: string } {
  const treeId = Buffer.from(bytes.subarray(0, TREE_ID_BYTES)).readUIntBE(0, Math.min(TREE_ID_BYTES, bytes.length))
  return { treeId, key: toLine(bytes.subarray(TREE_ID_BYTES)) }
}

function summary({ blocks, entries, fileBytes }: TableDescription, block: number): string {
  const which = blocks.length > 1 ? `; --block 0 to ${blocks.length - 1} chooses, this was ${block}` : ''
  return `${plural(fileBytes, 'byte')}, ${plural(blocks.length, 'data block')}, ${plural(entries.length, 'entry', 'entries')} shown${which}`
}

function sectionAsJson({ bytes: _, parts, ...section }: FileSection): object {
  return {
    ...section,
    parts: parts.map(({ value, ...part }) => ({
      ...part,
      ...(value !== undefined && { value: typeof value === 'object' ? internalKey(value) : value }),
    })),
  }
}

function entryAsJson({ options }: LsmContext, { key, value, ...rest }: EntryDescription): object {
  return { ...rest, ...toJson(options, { key, value }) }
}
