// The tree of trees: tree 0 maps each tree's name (UTF-8; the default tree's is empty) to its id and root:
//
//   value = treeId u32 | reference to the root, page 0 while the tree is empty        (16 bytes)
//
// It is kept current at every move of a root, so one reference, to its own root, is the state of the whole store.
import { BedplateError } from '../../base/errors.ts'
import { WHOLE_RANGE } from '../ordered/range.ts'
import { Cursor } from './cursor.ts'
import { NO_PAGE, type PageReference, readReference, writeReference } from './page.ts'
import type { Pager } from './pager.ts'
import { getBelow, Tree } from './tree.ts'

export const CATALOGUE_TREE_ID = 0
export const FIRST_TREE_ID = 1
const MAX_TREE_ID = 0xffffffff
const ENTRY_BYTES = 16

/** What the catalogue says of one tree. */
export interface TreeEntry {
  id: number
  root: PageReference
}

/** The trees of the current state. */
export class Catalogue {
  nextTreeId: number
  private readonly pager: Pager
  private readonly directory: Tree
  private readonly byName = new Map<string, Tree>()
  private readonly names = new Map<number, string>()

  constructor(pager: Pager, root: PageReference, nextTreeId: number) {
    this.pager = pager
    this.nextTreeId = nextTreeId
    this.directory = new Tree(pager, CATALOGUE_TREE_ID, root, () => {})
    for (const { name, id } of catalogueEntries(pager, root)) this.names.set(id, name)
  }

  /** The root that stands for the whole state. */
  get root(): PageReference {
    return this.directory.root
  }

  /** Levels of the tree of trees. */
  get depth(): number {
    return this.directory.depth
  }

  /** The tree of that name, if it exists. */
  tree(name: string): Tree | undefined {
    const known = this.byName.get(name)
    if (known !== undefined) return known
    const entry = lookUpTree(this.pager, this.root, name)
    return entry === undefined ? undefined : this.open(name, entry.id, entry.root)
  }

  /** The name of the tree with that id, which a log record mentions. */
  nameOf(id: number): string {
    const name = this.names.get(id)
    if (name === undefined) throw new BedplateError('CORRUPTION', `the log writes to tree ${id}, which does not exist`)
    return name
  }

  /** The tree with that id. */
  treeById(id: number): Tree {
    const tree = this.tree(this.nameOf(id))
    if (tree !== undefined) return tree
    throw new BedplateError(
      'CORRUPTION',
      `the log means a tree ${id} of which the catalogue has the name, but not the tree`,
    )
  }

  /** Throws CORRUPTION if a log record cannot make a tree of that id and name. */
  assertNew(id: number, name: string): void {
    const isPossible = id >= FIRST_TREE_ID && id <= MAX_TREE_ID && !this.names.has(id)
    if (isPossible && this.tree(name) === undefined) return
    throw new BedplateError('CORRUPTION', `the log makes a tree ${id} named "${name}", which cannot be made again`)
  }

  treeNames(): string[] {
    return [...this.names.values()]
  }

  create(id: number, name: string): Tree {
    this.setRoot(name, id, NO_PAGE)
    this.nextTreeId = Math.max(this.nextTreeId, id + 1)
    this.names.set(id, name)
    return this.open(name, id, NO_PAGE)
  }

  /** Empties a tree and takes it out of the catalogue. */
  drop(name: string): void {
    const tree = this.tree(name)
    if (tree === undefined) return
    tree.deleteRange(WHOLE_RANGE)
    this.directory.delete(Buffer.from(name))
    this.byName.delete(name)
    this.names.delete(tree.id)
  }

  private open(name: string, id: number, root: PageReference): Tree {
    const tree = new Tree(this.pager, id, root, (moved) => this.setRoot(name, id, moved))
    this.byName.set(name, tree)
    return tree
  }

  private setRoot(name: string, id: number, root: PageReference): void {
    this.directory.put(Buffer.from(name), { length: ENTRY_BYTES, inline: encodeEntry({ id, root }) })
  }
}

/** Finds a tree in the state that `root` stands for. */
export function lookUpTree(pager: Pager, root: PageReference, name: string): TreeEntry | undefined {
  const value = getBelow(pager, root, Buffer.from(name))
  return value === undefined ? undefined : decodeEntry(value)
}

/** All trees of the state that `root` stands for, by name. */
export function catalogueEntries(pager: Pager, root: PageReference): (TreeEntry & { name: string })[] {
  const entries: (TreeEntry & { name: string })[] = []
  const cursor = new Cursor(pager, root, WHOLE_RANGE)
  while (cursor.next()) entries.push({ name: Buffer.from(cursor.key()).toString(), ...decodeEntry(cursor.value()) })
  return entries
}

export function encodeEntry(entry: TreeEntry): Uint8Array {
  const value = new Uint8Array(ENTRY_BYTES)
  new DataView(value.buffer).setUint32(0, entry.id, true)
  writeReference(value, 4, entry.root)
  return value
}

function decodeEntry(value: Uint8Array): TreeEntry {
  if (value.length !== ENTRY_BYTES) throw new BedplateError('CORRUPTION', `a catalogue entry has ${value.length} bytes`)
  const id = new DataView(value.buffer, value.byteOffset).getUint32(0, true)
  return { id, root: readReference(value, 4) }
}
