// The two metas of a store in an image: what they say, and what is lost with one.
import type { DiskImage } from '../../../ts/io/disk-image.ts'
import { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { catalogueEntries } from '../../../ts/storage/btree/catalogue.ts'
import { Cursor } from '../../../ts/storage/btree/cursor.ts'
import { decodeMeta, META_BYTES, type Meta } from '../../../ts/storage/btree/meta.ts'
import { openPager } from '../../../ts/storage/btree/open.ts'
import { WHOLE_RANGE } from '../../../ts/storage/ordered/range.ts'
import { STORE_PATH } from './store.ts'

export const DATA = `${STORE_PATH}/data`

/** A meta block that is whole. */
export interface MetaBlock {
  meta: Meta
  offset: number
}

/** The whole meta blocks of the store (or of another data file), older first. */
export function readMetas(image: DiskImage, pageSizeBytes: number, path = DATA): MetaBlock[] {
  const bytes = image.read(path)
  const blocks = [0, pageSizeBytes].flatMap((offset) => {
    const result = decodeMeta(bytes.subarray(offset, offset + META_BYTES))
    return result.kind === 'ok' ? [{ meta: result.meta, offset }] : []
  })
  return blocks.sort((a, b) => a.meta.epoch - b.meta.epoch)
}

/** The image after a bit of that meta block has changed. */
export function destroyMeta(image: DiskImage, { offset }: MetaBlock, bit = 0): DiskImage {
  const damaged = image.clone()
  damaged.flipBit(DATA, offset + (bit >>> 3), bit & 7)
  return damaged
}

/** What the newer meta alone says, without any log: `tree/key=value` in order. */
export function contentOfCheckpoint(image: DiskImage): { position: number; entries: string[] } {
  const file = new SimulatedDisk({ image }).open(DATA, 'read')
  const { pager, metas } = openPager(file, { cacheBytes: 0 })
  const entries: string[] = []
  for (const { name, root } of catalogueEntries(pager, metas.current.catalogue)) {
    const cursor = new Cursor(pager, root, WHOLE_RANGE)
    while (cursor.next()) entries.push(`${name}/${Buffer.from(cursor.key())}=${Buffer.from(cursor.value())}`)
  }
  return { position: metas.current.position, entries }
}
