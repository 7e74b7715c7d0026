// A dense copy of a pinned state into a new data file: what `backup` and `compact` are made of.
import type { Clock } from '../../io/clock.ts'
import type { DiskFile } from '../../io/disk.ts'
import { lacks } from '../mutant.ts'
import { WHOLE_RANGE } from '../ordered/range.ts'
import { TreeBuilder } from './bulk-load.ts'
import { CATALOGUE_TREE_ID, catalogueEntries, encodeEntry } from './catalogue.ts'
import { Cursor } from './cursor.ts'
import type { Pin } from './engine.ts'
import { FreeList } from './free-list.ts'
import { encodeMeta, type Meta } from './meta.ts'
import { NO_PAGE } from './page.ts'
import { Pager } from './pager.ts'

/** Entries copied before other work gets a turn. */
const ENTRIES_A_TURN = 512
const COPY_EPOCH = 1

/**
 * Writes every tree of the pinned state into `file`, which must be empty, page after page, and syncs it.
 * @param identity - The uuid and the next tree id that the copy's metas shall carry.
 */
export async function copyState(
  pin: Pin,
  file: DiskFile,
  identity: Pick<Meta, 'uuid' | 'nextTreeId'>,
  clock: Clock,
): Promise<void> {
  const { pageSizeBytes, mutant } = pin.pager
  const target = new Pager(file, { pageSizeBytes, cacheBytes: 0, freeList: new FreeList(), epoch: COPY_EPOCH })
  const catalogue = new TreeBuilder({ pager: target, treeId: CATALOGUE_TREE_ID, birth: COPY_EPOCH })
  for (const { name, id, root } of catalogueEntries(pin.pager, pin.catalogue)) {
    const builder = new TreeBuilder({ pager: target, treeId: id, birth: COPY_EPOCH })
    const cursor = new Cursor(pin.pager, root, WHOLE_RANGE)
    for (let count = 1; await cursor.nextAsync(); count++) {
      builder.add(cursor.key(), cursor.value())
      if (count % ENTRIES_A_TURN === 0) {
        pin.pager.trim()
        await clock.turn()
      }
    }
    catalogue.add(Buffer.from(name), encodeEntry({ id, root: builder.finish().root }))
  }
  const meta: Meta = {
    pageSizeBytes,
    epoch: COPY_EPOCH,
    position: pin.position,
    pageCount: 0,
    catalogue: catalogue.finish().root,
    freeList: NO_PAGE,
    freeCount: 0,
    ...identity,
  }
  meta.pageCount = target.freeList.pageCount
  file.write(encodeMeta(meta), 0)
  // The same state under both metas: losing one block loses nothing.
  if (!lacks(mutant, 'two metas of a copy')) file.write(encodeMeta({ ...meta, epoch: COPY_EPOCH + 1 }), pageSizeBytes)
  if (file.size() < meta.pageCount * pageSizeBytes) file.truncate(meta.pageCount * pageSizeBytes)
  if (!lacks(mutant, 'copy sync')) await file.sync()
}
