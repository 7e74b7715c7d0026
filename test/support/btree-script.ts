// Runs a golden script: short enough to be read, on a store with pages of 512 bytes that no other test has touched.
//
// A script is comments (#), then steps divided by empty lines. A step is commands, `---`, and what they print:
//
//   put KEY [N bytes]             the value is 10 bytes of text unless the command says otherwise
//   put FIRST..LAST [N bytes]     keys that end in a number, one after the other, upwards or downwards
//   delete KEY | FIRST..LAST
//   get KEY
//   tree                          the shape of the tree as it is in memory: pages, and the separators between them
//   levels                        the same level by level: each page with the number of its children or keys
//   pages                         what each page of the file is to the current state
//   checkpoint
//   snapshot, release             take a snapshot; close it
//   inspect PAGE                  a page as it is in the file, as `kvstore inspect` decodes it
import { SimulatedDisk } from '../../ts/io/simulated-disk.ts'
import type { Snapshot } from '../../ts/storage/btree/index.ts'
import { chainPages } from '../../ts/storage/btree/overflow.ts'
import {
  childAt,
  isOverflowAt,
  keyAt,
  overflowAt,
  type Page,
  type PageReference,
  PageType,
  usedBytes,
  valueLengthAt,
} from '../../ts/storage/btree/page.ts'
import { type Opened, openStore, SMALL } from './btree-crash/store.ts'

const DEFAULT_VALUE_BYTES = 10
const CACHE_PAGES = 200

/** Runs the commands of `script`. @returns The script with what they print now. */
export async function runScript(script: string): Promise<string> {
  const opened = await openStore(
    new SimulatedDisk(),
    { ...SMALL, cacheBytes: CACHE_PAGES * SMALL.pageSizeBytes },
    { create: true },
  )
  const runner = new Runner(opened)
  const steps: string[] = []
  for (const step of script.trimEnd().split('\n\n')) {
    if (step.startsWith('#')) {
      steps.push(step)
      continue
    }
    const [commands = ''] = step.split('\n---')
    const printed: string[] = []
    for (const command of commands.split('\n')) printed.push(...(await runner.run(command)))
    steps.push([commands, '---', ...printed].join('\n'))
  }
  await runner.close()
  return `${steps.join('\n\n')}\n`
}

class Runner {
  private readonly opened: Opened
  private snapshot: Snapshot | undefined

  constructor(opened: Opened) {
    this.opened = opened
  }

  async close(): Promise<void> {
    this.snapshot?.close()
    await this.opened.store.close()
  }

  /** @returns The lines it prints. */
  async run(command: string): Promise<string[]> {
    const { store } = this.opened
    const [, verb, what = '', , bytes = DEFAULT_VALUE_BYTES] = /^(\w+)(?: (\S+))?( (\d+) bytes)?$/.exec(command) ?? []
    switch (verb) {
      case 'put':
        for (const key of keysOf(what)) await store.put(key, 'v'.repeat(Number(bytes)))
        return []
      case 'delete':
        for (const key of keysOf(what)) await store.delete(key)
        return []
      case 'get':
        return [describeValue(store.get(what))]
      case 'checkpoint':
        await store.checkpoint()
        return []
      case 'snapshot':
        this.snapshot = store.snapshot()
        return []
      case 'release':
        this.snapshot?.close()
        return []
      case 'tree':
        return this.describeTree()
      case 'levels':
        return this.describeLevels()
      case 'pages':
        return this.describePages()
      case 'inspect':
        return this.inspect(Number(what))
      default:
        throw new Error(`no such command: ${command}`)
    }
  }

  // -- the tree -----------------------------------------------------------------------------------------------------

  private describeTree(): string[] {
    const root = this.opened.engine.root('')
    return root.page === 0 ? ['(empty: no page)'] : this.describeBelow(root, '')
  }

  private describeBelow(reference: PageReference, indent: string): string[] {
    const page = this.opened.engine.pager.read(reference)
    if (page.isLeaf) return [`${indent}${describeLeaf(page)}`, ...this.describeOverflow(page, `${indent}  `)]
    const lines = [`${indent}branch ${page.pageNumber}, level ${page.level}`]
    for (let child = 0; child <= page.count; child++) {
      if (child > 0) lines.push(`${indent}  ${quote(keyAt(page, child - 1))}`)
      lines.push(...this.describeBelow(childAt(page, child), `${indent}  `))
    }
    return lines
  }

  /** From the root down; within a level from left to right. */
  private describeLevels(): string[] {
    const { pager } = this.opened.engine
    const lines: string[] = []
    for (let level = [this.opened.engine.root('')]; level.length > 0; ) {
      const pages = level.map((reference) => pager.read(reference))
      const sizes = pages.map((page) => `${page.pageNumber} (${page.isLeaf ? page.count : page.count + 1})`)
      lines.push(`level ${pages[0]?.level}: ${sizes.join(', ')}`)
      level = pages.flatMap((page) => {
        return page.isLeaf ? [] : Array.from({ length: page.count + 1 }, (_, child) => childAt(page, child))
      })
    }
    return lines
  }

  private describeOverflow(leaf: Page, indent: string): string[] {
    const lines: string[] = []
    for (let slot = 0; slot < leaf.count; slot++) {
      if (!isOverflowAt(leaf, slot)) continue
      const pages = this.chain(overflowAt(leaf, slot), PageType.overflow)
      const where = `overflow page${pages.length === 1 ? '' : 's'} ${pages.join(' -> ')}`
      lines.push(`${indent}${quote(keyAt(leaf, slot))}: ${valueLengthAt(leaf, slot)} bytes in ${where}`)
    }
    return lines
  }

  // -- the file -----------------------------------------------------------------------------------------------------

  private describePages(): string[] {
    const { catalogue, metas, pager } = this.opened.engine
    const { freeList } = pager
    const retired = freeList['retired'].map(({ page }) => page)
    const lists: [string, number[]][] = [
      ['meta', [0, 1]],
      ['catalogue', this.pagesBelow(catalogue.root)],
      ['tree', this.pagesBelow(this.opened.engine.root(''))],
      ['free list', metas.freeListPages.map(({ page }) => page)],
      ['free', [...freeList['free']]],
      ['retired', retired],
    ]
    return lists
      .filter(([, pages]) => pages.length > 0)
      .map(([name, pages]) => `${name}: ${pages.sort(byNumber).join(' ')}`)
  }

  private pagesBelow(reference: PageReference): number[] {
    if (reference.page === 0) return []
    const page = this.opened.engine.pager.read(reference)
    const pages = [page.pageNumber]
    if (page.isLeaf) {
      for (let slot = 0; slot < page.count; slot++)
        if (isOverflowAt(page, slot)) pages.push(...this.chain(overflowAt(page, slot), PageType.overflow))
    } else {
      for (let child = 0; child <= page.count; child++) pages.push(...this.pagesBelow(childAt(page, child)))
    }
    return pages
  }

  private chain(first: PageReference, type: PageType): number[] {
    const { pager } = this.opened.engine
    return Array.from(chainPages(pager, first, type, pager.freeList.pageCount), ({ pageNumber }) => pageNumber)
  }

  private inspect(pageNumber: number): string[] {
    const { type, checksumOk, fields, layout, cells } = this.opened.store.inspectPage(pageNumber)
    const { count, prefixLength, birth, epoch, position, cataloguePage, freeListPage, freeCount } = fields
    const checksum = checksumOk ? 'checksum right' : 'checksum wrong'
    if (type === 'meta') {
      const lists = `catalogue in page ${cataloguePage}, free list in page ${freeListPage} (${freeCount} pages)`
      return [`meta ${pageNumber}, ${checksum}: epoch ${epoch}, log position ${position}, ${lists}`]
    }
    const areas = layout.filter(({ offset }) => offset >= HEADER_BYTES)
    return [
      `${type} ${pageNumber}, ${checksum}: born in epoch ${birth}, ${count} cells, prefix of ${prefixLength} bytes`,
      `  0: header, ${HEADER_BYTES} bytes`,
      ...areas.map(({ name, offset, length }) => `  ${offset}: ${name}, ${length} bytes`),
      ...cells.map(({ key, offset, length }) => `  ${quote(key)}: cell at ${offset}, ${length} bytes`),
    ]
  }
}

const HEADER_BYTES = 64

function describeLeaf(leaf: Page): string {
  const first = quote(keyAt(leaf, 0)) // only the leaf of an empty tree would be empty, and that has none
  const keys =
    leaf.count === 1 ? `1 key ${first}` : `${leaf.count} keys ${first} to ${quote(keyAt(leaf, leaf.count - 1))}`
  const prefix =
    leaf.prefixLength === 0 ? 'no prefix' : `prefix ${quote(keyAt(leaf, 0).subarray(0, leaf.prefixLength))}`
  return `leaf ${leaf.pageNumber}: ${keys}, ${prefix}, ${usedBytes(leaf)} bytes used`
}

function describeValue(value: string | undefined): string {
  return value === undefined ? 'absent' : `${value.length} bytes`
}

function quote(key: Uint8Array): string {
  return JSON.stringify(Buffer.from(key).toString())
}

/** The keys that `KEY` or `FIRST..LAST` stands for. */
function keysOf(what: string): string[] {
  const [, prefix = '', first = '', last] = /^(.*?)(\d+)\.\.\1(\d+)$/.exec(what) ?? []
  if (last === undefined) return [what]
  const [from, to] = [Number(first), Number(last)]
  const step = from <= to ? 1 : -1
  return Array.from({ length: Math.abs(to - from) + 1 }, (_, i) => {
    return prefix + String(from + i * step).padStart(first.length, '0')
  })
}

function byNumber(a: number, b: number): number {
  return a - b
}
