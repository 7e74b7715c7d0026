// Decodes single pages for people: `kvstore inspect`.
import { BedplateError } from '../../base/errors.ts'
import { describe } from '../../base/options.ts'
import type { DiskFile } from '../../io/disk.ts'
import { crc32c } from '../crc32c/index.ts'
import { decodeMeta, FIRST_PAGE, FORMAT_VERSION, META_BYTES } from './meta.ts'
import {
  BRANCH_CELL_HEADER_BYTES,
  cellOffset,
  childAt,
  inlineValueAt,
  isOverflowAt,
  keyAt,
  LEAF_CELL_HEADER_BYTES,
  overflowAt,
  PAGE_HEADER_BYTES,
  Page,
  PageType,
  pageProblem,
  REFERENCE_BYTES,
  readReference,
  readU48,
  valueLengthAt,
} from './page.ts'
import type { PageCell, PageDescription, PagePart } from './types.ts'

/** Name and size of each field of a meta block, in order; see meta.ts. */
const META_FIELDS: readonly (readonly [string, number])[] = [
  ['checksum', 4],
  ['magic', 4],
  ['version', 4],
  ['pageSizeBytes', 4],
  ['epoch', 8],
  ['position', 8],
  ['pageCount', 8],
  ['cataloguePage', 6],
  ['catalogueBirth', 6],
  ['freeListPage', 6],
  ['freeListBirth', 6],
  ['uuid', 16],
  ['freeCount', 8],
  ['nextTreeId', 4],
]

/** The same of a page's header; see page.ts. */
const HEADER_FIELDS: readonly (readonly [string, number])[] = [
  ['checksum', 4],
  ['type', 1],
  ['reserved', 1],
  ['count', 2],
  ['pageNumber', 6],
  ['prefixLength', 2],
  ['birth', 6],
  ['capacity', 2],
  ['heapStart', 4],
  ['garbageBytes', 4],
  ['keyCount', 6],
  ['level', 2],
  ['treeId', 4],
  ['reserved', 4],
  ['referencePage', 6],
  ['referenceBirth', 6],
  ['dataLength', 4],
]

/** Where a branch's header keeps the reference to its leftmost child. */
const LEFTMOST_REFERENCE = { offset: 48, length: REFERENCE_BYTES }

/** Describes page `pageNumber` as it is in the file; whatever its bytes are, this does not fail on them. */
export function describePage(file: DiskFile, pageNumber: number, pageSizeBytes: number): PageDescription {
  const pageCount = Math.floor(file.size() / pageSizeBytes)
  if (!Number.isSafeInteger(pageNumber) || pageNumber < 0 || pageNumber >= pageCount) {
    throw new BedplateError(
      'INVALID_INPUT',
      `there is no page ${describe(pageNumber)}: ${file.path} has pages 0 to ${pageCount - 1}`,
    )
  }
  const page = new Page(pageSizeBytes)
  file.read(page.bytes, pageNumber * pageSizeBytes)
  return pageNumber < FIRST_PAGE ? describeMeta(page, pageNumber) : describeTreePage(page, pageNumber)
}

function describeMeta(page: Page, pageNumber: number): PageDescription {
  const block = page.bytes.subarray(0, META_BYTES)
  const result = decodeMeta(block)
  const fields: PageDescription['fields'] = { kind: result.kind }
  const layout = layOut(META_FIELDS, page.sizeBytes)
  if (result.kind === 'ok') {
    const { meta } = result
    Object.assign(fields, {
      version: FORMAT_VERSION,
      pageSizeBytes: meta.pageSizeBytes,
      epoch: meta.epoch,
      position: meta.position,
      pageCount: meta.pageCount,
      cataloguePage: meta.catalogue.page,
      catalogueBirth: meta.catalogue.birth,
      freeListPage: meta.freeList.page,
      freeListBirth: meta.freeList.birth,
      uuid: Buffer.from(meta.uuid).toString('hex'),
      freeCount: meta.freeCount,
      nextTreeId: meta.nextTreeId,
    })
  }
  const checksumOk = result.kind === 'ok' || result.kind === 'newer'
  return { ...common(page, pageNumber), type: 'meta', checksumOk, fields, layout, cells: [] }
}

function describeTreePage(page: Page, pageNumber: number): PageDescription {
  const checksumOk = crc32c(page.bytes.subarray(4)) === page.u32[0]
  const type = checksumOk && pageProblem(page) === undefined ? typeName(page) : 'unknown'
  const base = { ...common(page, pageNumber), type, checksumOk }
  if (type === 'unknown') return { ...base, fields: {}, layout: [], cells: [] }
  const fields: PageDescription['fields'] = {
    checksum: page.u32[0] as number,
    type: page.type,
    count: page.count,
    pageNumber: readU48(page.bytes, 8),
    prefixLength: page.prefixLength,
    birth: readU48(page.bytes, 16),
    capacity: page.capacity,
    heapStart: page.heapStart,
    garbageBytes: page.garbageBytes,
    keyCount: page.keyCount,
    level: page.level,
    treeId: page.treeId,
    referencePage: readReference(page.bytes, 48).page,
    referenceBirth: readReference(page.bytes, 48).birth,
    dataLength: page.dataLength,
  }
  const cells = type === 'leaf' ? leafCells(page) : type === 'branch' ? branchCells(page) : []
  return { ...base, fields, layout: layOut([...HEADER_FIELDS, ...areasOf(page)], page.sizeBytes), cells }
}

/** What lies behind the header of a page. */
function areasOf(page: Page): (readonly [string, number])[] {
  if (page.type === PageType.overflow || page.type === PageType.freeList) return [['data', page.dataLength]]
  const start = PAGE_HEADER_BYTES + 6 * page.capacity + page.prefixLength
  return [
    ['heads', 4 * page.capacity],
    ['offsets', 2 * page.capacity],
    ['prefix', page.prefixLength],
    ['free space', page.heapStart - start],
    ['heap', page.sizeBytes - page.heapStart],
  ]
}

/** Gives each part its offset; what the parts leave over of the page is unused. */
function layOut(parts: readonly (readonly [string, number])[], pageSizeBytes: number): PagePart[] {
  const layout: PagePart[] = []
  let offset = 0
  for (const [name, length] of parts) {
    if (length > 0) layout.push({ name, offset, length })
    offset += length
  }
  if (offset < pageSizeBytes) layout.push({ name: 'unused', offset, length: pageSizeBytes - offset })
  return layout
}

function leafCells(page: Page): PageCell[] {
  return Array.from({ length: page.count }, (_, slot) => {
    const valueBytes = valueLengthAt(page, slot)
    const key = keyAt(page, slot)
    const offset = cellOffset(page, slot)
    const headBytes = LEAF_CELL_HEADER_BYTES + key.length - page.prefixLength
    if (isOverflowAt(page, slot)) {
      const overflowPage = overflowAt(page, slot).page
      return { offset, length: headBytes + REFERENCE_BYTES, key, valueBytes, overflowPage }
    }
    return { offset, length: headBytes + valueBytes, key, valueBytes, value: inlineValueAt(page, slot).slice() }
  })
}

/** The leftmost child first, under the empty key: it holds everything below the first separator. */
function branchCells(page: Page): PageCell[] {
  return Array.from({ length: page.count + 1 }, (_, child) => {
    const { page: childPage } = childAt(page, child)
    if (child === 0) return { ...LEFTMOST_REFERENCE, key: new Uint8Array(0), child: childPage }
    const key = keyAt(page, child - 1)
    const length = BRANCH_CELL_HEADER_BYTES + key.length - page.prefixLength
    return { offset: cellOffset(page, child - 1), length, key, child: childPage }
  })
}

function typeName(page: Page): PageDescription['type'] {
  switch (page.type) {
    case PageType.leaf:
      return 'leaf'
    case PageType.branch:
      return 'branch'
    case PageType.overflow:
      return 'overflow'
    case PageType.freeList:
      return 'free list'
    default:
      return 'unknown'
  }
}

function common(page: Page, pageNumber: number): Pick<PageDescription, 'pageNumber' | 'offset' | 'bytes'> {
  return { pageNumber, offset: pageNumber * page.sizeBytes, bytes: page.bytes }
}
