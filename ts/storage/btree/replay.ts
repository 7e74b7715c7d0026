// Makes true again what the log says. Records hold outcomes, so replay needs no decisions and may be repeated from any
// checkpoint at or before the record.
import { BedplateError } from '../../base/errors.ts'
import { type RecordVisitor, visitRecord } from '../ordered/record.ts'
import type { Catalogue } from './catalogue.ts'
import type { Pager } from './pager.ts'
import { prepareValue } from './tree.ts'
import { maxKeyBytes } from './types.ts'

/** Applies log records to the trees of `catalogue`. */
export function replayer(catalogue: Catalogue, pager: Pager): (record: Uint8Array) => void {
  const visitor: RecordVisitor = {
    put(treeId, key, value) {
      checkKey(key, pager)
      const tree = catalogue.treeById(treeId)
      tree.put(key, prepareValue(pager, treeId, key, value))
    },
    delete: (treeId, key) => void catalogue.treeById(treeId).delete(key),
    clear: (treeId, range) => void catalogue.treeById(treeId).deleteRange(range),
    createTree(treeId, bytes) {
      const name = Buffer.from(bytes).toString()
      checkKey(Buffer.from(name), pager)
      catalogue.assertNew(treeId, name)
      catalogue.create(treeId, name)
    },
    dropTree: (treeId) => catalogue.drop(catalogue.nameOf(treeId)),
    bulkLoad(treeId) {
      throw new BedplateError(
        'CORRUPTION',
        `the newest meta block was lost right after a bulk load of tree ${treeId}, and only it knew of the loaded entries`,
        { hint: 'restore a backup, and load again' },
      )
    },
  }
  return (record) => {
    visitRecord(record, visitor)
    pager.trim()
  }
}

/** A key that does not fit into a page would send the tree into splits without end. */
function checkKey(key: Uint8Array, { pageSizeBytes, file }: Pager): void {
  if (key.length <= maxKeyBytes(pageSizeBytes)) return
  throw new BedplateError('CORRUPTION', `a log record puts a key of ${key.length} bytes into ${file.path}`)
}
