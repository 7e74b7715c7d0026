// The LSM benchmark as a whole, and what the native engine is meant to reach.
import { checkRatios, type Goal } from '../contest/goals.ts'
import type { Contest } from '../contest/types.ts'
import { CONTESTANTS } from './contestants/index.ts'
import { ROWS } from './rows.ts'
import { NEEDS_STORE, TASKS } from './types.ts'

const LEVEL = 'classic-level'

const GOALS: readonly Goal[] = [
  { row: 'fill-random', against: LEVEL, atLeast: 2 },
  { row: 'fill-random-settled', against: LEVEL, atLeast: 1.2 },
  { row: 'durable-64', against: 'btree', atLeast: 0.9 },
  { row: 'durable-64', against: 'classic-level-64', atLeast: 2 },
  { row: 'get', against: LEVEL, atLeast: 2 },
  { row: 'get', against: LEVEL, againstRow: 'get-awaited', atLeast: 8 },
  { row: 'get-many', against: LEVEL, atLeast: 5 },
  { row: 'range-100', against: LEVEL, atLeast: 6 },
  { row: 'scan', against: LEVEL, atLeast: 4 },
  { row: 'get-absent', against: LEVEL, atLeast: 4 },
  { row: 'size', against: LEVEL, atMost: 1.1 },
  { row: 'fill-random', against: 'btree', atLeast: 1 },
  { row: 'fill-random-settled', against: 'btree', atLeast: 1 },
]

export const LSM_CONTEST: Contest = {
  name: 'lsm',
  title: 'LSM benchmark',
  contestants: CONTESTANTS,
  tasks: TASKS,
  makesStore: 'fill-random',
  needsStore: NEEDS_STORE,
  rows: ROWS,
  child: new URL('task-child.ts', import.meta.url),
  reference: {
    short: LEVEL,
    text:
      '64 durable writers are compared with classic-level that has a thread for each of them, the flat scan with its scan. ' +
      'RocksDB runs in its own program, without Node above it: a ceiling, not a choice that a program in Node has.',
  },
  checkGoals: (rows) => checkRatios(rows, GOALS, 'native'),
}
