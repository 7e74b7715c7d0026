// The B-tree benchmark as a whole.
import type { Contest } from '../contest/types.ts'
import { CONTESTANTS } from './contestants/index.ts'
import { checkGoals } from './goals.ts'
import { ROWS } from './rows.ts'
import { NEEDS_STORE, TASKS } from './types.ts'

export const BTREE_CONTEST: Contest = {
  name: 'btree',
  title: 'B-tree benchmark',
  contestants: CONTESTANTS,
  tasks: TASKS,
  makesStore: 'fill-random',
  needsStore: NEEDS_STORE,
  rows: ROWS,
  child: new URL('task-child.ts', import.meta.url),
  reference: {
    short: 'lmdb',
    text:
      'Fills are compared with lmdb noSync, sizes with the files of lmdb after the random fill, the flat scan ' +
      "with lmdb's scan.",
  },
  checkGoals: (rows, { cacheBytes }) => checkGoals(rows, cacheBytes),
}
