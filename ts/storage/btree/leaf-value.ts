// What both the tree (which changes pages) and the cursor (which walks them) need to read them.
import { BedplateError } from '../../base/errors.ts'
import { readOverflow } from './overflow.ts'
import { inlineValueAt, isOverflowAt, overflowAt, type Page, valueLengthAt } from './page.ts'
import type { Pager } from './pager.ts'

/** The value in slot `index` of a leaf: a view of the page if it is inline, fresh memory if it is not. */
export function valueAt(pager: Pager, leaf: Page, index: number): Uint8Array {
  if (!isOverflowAt(leaf, index)) return inlineValueAt(leaf, index)
  return readOverflow(pager, overflowAt(leaf, index), valueLengthAt(leaf, index))
}

/** Throws CORRUPTION unless `child` stands one level below `branch` in the same tree: so no path is endless. */
export function checkLevel(pager: Pager, branch: Page, child: Page): void {
  if (child.level === branch.level - 1 && child.treeId === branch.treeId) return
  throw new BedplateError(
    'CORRUPTION',
    `${pager.file.path}: page ${branch.pageNumber} (tree ${branch.treeId}, level ${branch.level}) has as child ` +
      `page ${child.pageNumber} (tree ${child.treeId}, level ${child.level})`,
  )
}
