// What a store should hold, as a value: a model never changes, so one is kept for every log position.
import { crc32c } from '../../../ts/storage/crc32c/index.ts'
import type { OrderedReader } from '../../../ts/storage/ordered-store.ts'

/** The trees of a store by name; '' is the default tree. Keys are ASCII, so strings sort as their bytes do. */
export type Trees = Map<string, Map<string, string>>

/** The content of a store at one log position. */
export class Model {
  private readonly trees: ReadonlyMap<string, ReadonlyMap<string, string>>
  private text: string | undefined

  constructor(trees: Trees = new Map()) {
    this.trees = trees
  }

  /** This model after `change` was done to a copy of it. */
  with(change: (trees: Trees) => void): Model {
    const copy: Trees = new Map()
    for (const [name, tree] of this.trees) copy.set(name, new Map(tree))
    change(copy)
    return new Model(copy)
  }

  get(tree: string, key: string): string | undefined {
    return this.trees.get(tree)?.get(key)
  }

  keys(tree: string): string[] {
    return [...(this.trees.get(tree)?.keys() ?? [])].sort()
  }

  treeNames(): string[] {
    return [...this.trees.keys()].filter((name) => name !== '').sort()
  }

  /** Everything in it as one text; equal to `contentOf` a store that holds the same. */
  get content(): string {
    this.text ??= ['', ...this.treeNames()].map((name) => describeTree(name, this.entries(name))).join('')
    return this.text
  }

  private entries(tree: string): [string, string][] {
    return this.keys(tree).map((key) => [key, this.get(tree, key) as string])
  }
}

/** What can be read as a whole: a store or a snapshot of one. */
export interface Readable extends OrderedReader {
  tree(name: string): OrderedReader
}

/** Everything that `reader` gives of the default tree and the trees `names`, in the order it gives it. */
export function contentOf(reader: Readable, names: readonly string[]): string {
  return ['', ...names].map((name) => describeTree(name, (name === '' ? reader : reader.tree(name)).range())).join('')
}

/** The first line in which two contents differ, for messages. */
export function difference(found: string, expected: string): string {
  const a = found.split('\n')
  const b = expected.split('\n')
  const at = a.findIndex((line, i) => line !== b[i])
  return `found "${a[at] ?? 'its end'}" instead of "${b[at < 0 ? a.length : at] ?? 'its end'}"`
}

function describeTree(name: string, entries: Iterable<[string, string]>): string {
  let text = `[${name}]\n`
  for (const [key, value] of entries) text += `${key}=${describeValue(value)}\n`
  return text
}

function describeValue(value: string): string {
  return value.length <= 40 ? value : `${value.length} bytes, checksum ${crc32c(Buffer.from(value))}`
}
