// What the parts of a benchmark against peers hand to each other, whatever kind of store it is about.
import type { GoalOutcome } from './goals.ts'
import type { ResultRow } from './results.ts'

export type MaybePromise<T> = T | Promise<T>

/** What a store is opened for: filling without a sync for each commit, commits that must survive, reading. */
export type Access = 'fill' | 'durable' | 'read'

/** The task that every contest has: the harness with a store that has nothing in it. */
export const EMPTY = 'empty'

/** An engine in one of its modes. */
export interface Contestant {
  id: string
  label: string
  /** One of ours: its rows are the ones the others are compared with. */
  ours: boolean
  /** The npm package in bench/peers that it needs. */
  peer?: string
  /** What else it needs and has not, in words; undefined: it can take part. */
  missing?: () => string | undefined
  /** What it promises when it acknowledges a write, and how it was opened. */
  modes: Partial<Record<Access, string>>
  /** All that it takes part in; without it everything. */
  tasks?: readonly string[]
  /** Tasks that it cannot do, with the reason. */
  cannot?: Readonly<Record<string, string>>
  /** Variables that its process needs beside ours. */
  environment?: Readonly<Record<string, string>>
  /** Its version, where it is no package of bench/peers. */
  version?: () => string
}

/** The size of everything, the same for all contestants. */
export interface Scale {
  records: number
  /** How long to measure in the tasks that are not fills. */
  seconds: number
  cacheBytes: number
  seed: number
}

/** What a child process is asked for. */
export interface TaskRequest extends Scale {
  contestant: string
  task: string
  /** The folder of the store; the parent has removed what was in it where the task fills it. */
  directory: string
}

/** What a child process found: figures by name, operations a second as `rate`. */
export type Outcome = Readonly<Partial<Record<string, number>>> & {
  /** The most memory that the process ever had, code and mapped files included. */
  rssBytes: number
}

/** A line of the result: which figure of which task, and what it is compared with. */
export interface Row {
  id: string
  title: string
  unit: string
  task: string
  /** The mode the store was opened in: the table says what it promises. */
  access: Access
  better: 'more' | 'less'
  /** The contestant whose figure is 1.00x, and its row if that is another one. */
  reference: { contestant: string; row?: string }
  /** @param empty - The same contestant's outcome of the task `empty` in the same turn. */
  value(outcome: Outcome, empty: Outcome | undefined): number | undefined
}

/** A benchmark in which contestants do tasks. */
export interface Contest {
  /** As in `npm run bench -- NAME`. */
  name: string
  /** For people: the title of its chart. */
  title: string
  contestants: readonly Contestant[]
  /** One run of one child process each, in the order of a turn; `empty` is the first. */
  tasks: readonly string[]
  /** The task that leaves its store to those that `needsStore` names. */
  makesStore: string
  needsStore: readonly string[]
  rows: readonly Row[]
  /** The module that does one task in a process of its own. */
  child: URL
  /** Whose figures are 1.00x, in a word for a column and in a sentence. */
  reference: { short: string; text: string }
  /** How the engine that has goals did. */
  checkGoals(rows: readonly ResultRow[], scale: Scale): GoalOutcome[]
}
