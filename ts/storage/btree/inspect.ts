// Decodes single pages for people: `kvstore inspect`.
import { BedplateError } from '../../base/errors.ts'
import type { DiskFile } from '../../io/disk.ts'
import { crc32c } from '../crc32c/index.ts'
import { decodeMeta, FIRST_PAGE, META_BYTES } from './meta.ts'
import {
  childAt,
  inlineValueAt,
  isOverflowAt,
  keyAt,
  overflowAt,
  Page,
  PageType,
  pageProblem,
  readReference,
  readU48,
  valueLengthAt,
} from './page.ts'
import type { PageDescription } from './types.ts'

/** Describes page `pageNumber` as it is in the file; whatever its bytes are, this does not fail on them. */
export function describePage(file: DiskFile, pageNumber: number, pageSizeBytes: number): PageDescription {
  const pageCount = Math.floor(file.size() / pageSizeBytes)
  if (!Number.isSafeInteger(pageNumber) || pageNumber < 0 || pageNumber >= pageCount) {
    throw new BedplateError('INVALID_INPUT', `there is no page ${pageNumber}: ${file.path} has pages 0 to ${pageCount - 1}`)
  }
  const page = new Page(pageSizeBytes)
  file.read(page.bytes, pageNumber * pageSizeBytes)
  return pageNumber < FIRST_PAGE ? describeMeta(page, pageNumber) : describeTreePage(page, pageNumber)
}

function describeMeta(page: Page, pageNumber: number): PageDescription {
  const block = page.bytes.subarray(0, META_BYTES)
  const result = decodeMeta(block)
  const fields: PageDescription['fields'] = { kind: result.kind }
  if (result.kind === 'ok') {
    const { meta } = result
    Object.assign(fields, {
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
  return { ...common(page, pageNumber), type: 'meta', checksumOk: result.kind === 'ok' || result.kind === 'newer', fields, cells: [] }
}

function describeTreePage(page: Page, pageNumber: number): PageDescription {
  const checksumOk = crc32c(page.bytes.subarray(4)) === page.u32[0]
  const type = checksumOk && pageProblem(page) === undefined ? typeName(page) : 'unknown'
  const base = { ...common(page, pageNumber), type, checksumOk }
  if (type === 'unknown') return { ...base, fields: {}, cells: [] }
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
  return { ...base, fields, cells: type === 'leaf' ? leafCells(page) : type === 'branch' ? branchCells(page) : [] }
}

function leafCells(page: Page): PageDescription['cells'] {
  return Array.from({ length: page.count }, (_, slot) => {
    const valueBytes = valueLengthAt(page, slot)
    const key = keyAt(page, slot)
    if (isOverflowAt(page, slot)) return { key, valueBytes, overflowPage: overflowAt(page, slot).page }
    return { key, valueBytes, value: inlineValueAt(page, slot).slice() }
  })
}

/** The leftmost child first, under the empty key: it holds everything below the first separator. */
function branchCells(page: Page): PageDescription['cells'] {
  return Array.from({ length: page.count + 1 }, (_, child) => ({
    key: child === 0 ? new Uint8Array(0) : keyAt(page, child - 1),
    child: childAt(page, child).page,
  }))
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
