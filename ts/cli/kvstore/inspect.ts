// kvstore inspect: a page of the data file, its bytes beside what they mean. docs/formats/btree.md says more.
import type { PageCell, PageDescription, PagePart } from '../../storage/btree/index.ts'
import { paint } from '../kit/style.ts'
import { formatNumber, plural, toLine } from '../kit/text.ts'
import { type Context, withReader } from '../ordered/context.ts'
import { brief, dump, heading, row } from '../ordered/dump.ts'
import { toHex, toJson } from '../ordered/show.ts'
import type { BTreeBytes } from './store.ts'

/** Pages 0 and 1 are the metas. */
const META_PAGES = [0, 1]

export async function inspectPage(context: Context<BTreeBytes>, path: string, pageNumber: number): Promise<void> {
  await inspect(context, path, (store) => [store.inspectPage(pageNumber)])
}

export async function inspectMeta(context: Context<BTreeBytes>, path: string): Promise<void> {
  await inspect(context, path, (store) => META_PAGES.map((pageNumber) => store.inspectPage(pageNumber)))
}

async function inspect(
  context: Context<BTreeBytes>,
  path: string,
  pagesOf: (store: BTreeBytes) => PageDescription[],
): Promise<void> {
  const { options, out } = context
  await withReader(context, path, async (store) => {
    const pages = pagesOf(store)
    for (const [index, page] of pages.entries()) {
      if (options.json === true) await out.line(JSON.stringify(asJson(context, page)))
      else for (const line of describe(page, path, newest(pages))) await out.line(line)
      if (options.json !== true && index < pages.length - 1) await out.line('')
    }
    await out.flush()
  })
}

/** The meta that counts: of those that are whole, the one with the larger epoch. */
function newest(pages: readonly PageDescription[]): PageDescription | undefined {
  const metas = pages.filter(({ type, checksumOk }) => type === 'meta' && checksumOk)
  return metas.sort((a, b) => Number(b.fields['epoch']) - Number(a.fields['epoch']))[0]
}

function asJson({ options }: Context<BTreeBytes>, page: PageDescription): object {
  const cells = page.cells.map(({ key, value, ...rest }) => ({
    ...toJson(options, value === undefined ? { key } : { key, value }),
    ...rest,
  }))
  return { ...page, cells, bytes: toHex(page.bytes) }
}

function* describe(page: PageDescription, path: string, current: PageDescription | undefined): Generator<string> {
  const style = paint(process.stdout)
  const state = page.checksumOk ? 'checksum right' : style('red', 'CHECKSUM WRONG')
  const role = page.type !== 'meta' ? '' : page === current ? ', the current one' : ''
  const place = `at byte ${formatNumber(page.offset)} of ${path}/data`
  const owner = page.fields['treeId'] === 0 && page.cells.length > 0 ? ' of the catalogue, which names the trees' : ''
  yield `${style('bold', `page ${page.pageNumber}: ${page.type}`)}${owner}${role}, ${place}, ${state}`
  yield ''
  yield style('dim', heading('meaning'))
  for (const part of page.layout) yield row(part, page.bytes, meaning(part, page))
  if (page.layout.length === 0) yield* dump(page.bytes)
  if (page.cells.length === 0) return
  yield ''
  yield style('dim', heading('cells in key order'))
  for (const cell of page.cells) yield row(cell, page.bytes, describeCell(cell))
}

function meaning({ name, offset, length }: PagePart, { fields, bytes }: PageDescription): string {
  const value = fields[name]
  if (name === 'checksum') return `checksum 0x${toHex(bytes.slice(offset, offset + length).reverse())}`
  if (name === 'magic') return `magic "${toLine(bytes.subarray(offset, offset + length))}"`
  if (value === undefined) return `${name}, ${plural(length, 'byte')}`
  return `${name} ${typeof value === 'number' ? formatNumber(value) : value}`
}

function describeCell({ key, value, valueBytes, child, overflowPage }: PageCell): string {
  if (child !== undefined) {
    const which = key.length === 0 ? 'all smaller keys' : `keys from ${brief(key)} on`
    return `page ${child}: ${which}`
  }
  const content =
    value === undefined ? `${formatNumber(valueBytes ?? 0)} bytes from page ${overflowPage} on` : brief(value)
  return `${brief(key)} = ${content}`
}
