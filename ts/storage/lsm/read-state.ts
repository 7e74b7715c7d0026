// Reading the store as of some sequence: memtables, then tables from the newest to the oldest.

import { type Hash64, hash64 } from '../bloom/index.ts'
import { compareBytes } from '../compare.ts'
import { lacks } from '../mutant.ts'
import type { ByteWalk } from '../ordered/byte-reader.ts'
import type { WalkRange } from '../ordered/range.ts'
import type { DataBlock } from './data-block.ts'
import { type Entry, EntryKind, type Need } from './entry.ts'
import { spanOf, userKey } from './internal-key.ts'
import type { Layer } from './memory.ts'
import { Memtable } from './memtable.ts'
import { MergeCursor, VisibleCursor } from './merge.ts'
import type { Mutant } from './mutant.ts'
import { applyOperands, isOperand, tooLong } from './operand.ts'
import type { RangeTombstones } from './range-tombstones.ts'
import type { TableMeta } from './table.ts'
import { overlaps, RunCursor, type WalkSpan } from './table-cursor.ts'
import type { TableInfo } from './table-format.ts'
import type { Tables } from './tables.ts'
import { tableFor } from './version.ts'

/** Everything that the store holds at one moment, the newest first. Only the first memtable is still written to. */
export type ReadState = readonly Layer[]

/** The value of `key` in a state at `sequence`. A view of memory that stays as it is. */
export function getValue(lookup: Generator<Need, Uint8Array | undefined>): Uint8Array | undefined {
  for (;;) {
    const { done, value } = lookup.next()
    if (done) return value
    value.load()
  }
}

/** The same without blocking for the device. What the state holds must not be removed before it ends. */
export async function getValueAsync(lookup: Generator<Need, Uint8Array | undefined>): Promise<Uint8Array | undefined> {
  for (;;) {
    const { done, value } = lookup.next()
    if (done) return value
    await value.loadAsync()
  }
}

/** Looks for `key`, which is an internal one; yields what must be loaded before it can go on. */
export function* lookUp(
  tables: Tables,
  state: ReadState,
  key: Uint8Array,
  sequence: number,
): Generator<Need, Uint8Array | undefined> {
  const sought = new Sought()
  let hash: Hash64 | undefined
  const loaded: { meta?: TableMeta; block?: DataBlock } = {}
  for (const layer of state) {
    if (layer instanceof Memtable) {
      if (lookInMemtable(layer, key, sequence, sought)) return sought.value
      continue
    }
    const table = tableFor(layer, key)
    if (table === undefined || table.minSequence > sequence) continue
    let meta = tables.metaAtHand(table)
    if (meta === undefined) {
      yield tables.needMeta(table, (value) => {
        loaded.meta = value
      })
      meta = loaded.meta as TableMeta
    }
    sought.hide(meta.tombstones.covering(key, sequence))
    hash ??= hash64(key)
    let goesOn = meta.filter?.mayHold(hash) ?? true
    for (let index = meta.index.find(key); goesOn && index < meta.index.handles.length; index++) {
      let block = tables.blockAtHand(table, index)
      if (block === undefined) {
        yield tables.needBlock(table, meta, index, (value) => {
          loaded.block = value
        })
        block = loaded.block as DataBlock
      }
      // Older versions may be in the next block.
      for (let slot = block.search(key, sequence); goesOn && slot < block.count; slot++) {
        const entry = block.entryAt(slot)
        if (compareBytes(entry.key, key) !== 0) goesOn = false
        else if (sought.add(entry)) return sought.value
      }
    }
    if (sought.isHidden) return sought.value
  }
  return sought.value
}

/** @returns True if nothing behind it counts. */
function lookInMemtable(memtable: Memtable, key: Uint8Array, sequence: number, sought: Sought): boolean {
  sought.hide(memtable.tombstones.covering(key, sequence))
  const newest = memtable.find(key, sequence)
  if (newest !== undefined) {
    if (sought.add(newest)) return true
    for (const older of memtable.versions(key, newest.sequence - 1)) if (sought.add(older)) return true
  }
  return sought.isHidden
}

/** What a read has found of its key so far. Versions come from the newest to the oldest. */
class Sought {
  /** The newest range tombstone so far. Sources come newest first, so whatever comes behind its source is older. */
  private hidden = 0
  private operands: Entry[] | undefined
  private base: Uint8Array | undefined

  get isHidden(): boolean {
    return this.hidden > 0
  }

  /** Takes note of a range tombstone that covers the key; 0: there is none. */
  hide(sequence: number): void {
    this.hidden = Math.max(this.hidden, sequence)
  }

  /** @returns True if nothing older counts. */
  add(entry: Entry): boolean {
    if (entry.sequence < this.hidden) return true
    if (isOperand(entry.kind)) {
      this.operands ??= []
      this.operands.push(entry)
      return false
    }
    if (entry.kind === EntryKind.put) this.base = entry.value
    return true
  }

  /** @throws INVALID_INPUT if appends made it too long. */
  get value(): Uint8Array | undefined {
    return this.operands === undefined ? this.base : applied(this.base, this.operands)
  }
}

/** @param operands - The newest first. @throws INVALID_INPUT if the value is too long. */
function applied(base: Uint8Array | undefined, operands: readonly Entry[]): Uint8Array {
  const value = applyOperands(base, operands.toReversed())
  if (value === undefined) throw tooLong(userKey((operands[0] as Entry).key))
  return value
}

/** What a walk needs of its store. */
export interface WalkOwner {
  readonly tables: Tables
  readonly mutant: Mutant | undefined
  assertOpen(): void
}

/** The entries of a tree in a state at some sequence. */
export class StateWalk implements ByteWalk {
  readonly close: () => void
  private readonly owner: WalkOwner
  private readonly sequence: number
  private readonly cursor: VisibleCursor
  private readonly tombstones: RangeTombstones[]
  /** Tables whose range tombstones are not at hand yet. */
  private readonly unread: TableInfo[]
  private remaining: number
  private shown: Uint8Array | undefined

  /**
   * @param state - Nothing in it may be removed until `close`.
   * @param close - Called once or more often, when the walk is no longer needed.
   */
  constructor(
    owner: WalkOwner,
    state: ReadState,
    place: { treeId: number; range: WalkRange; sequence: number },
    close: () => void,
  ) {
    const { treeId, range, sequence } = place
    const { reverse, limit } = range
    const span: WalkSpan = { ...spanOf(treeId, range), reverse }
    this.owner = owner
    this.close = close
    this.sequence = sequence
    this.remaining = compareBytes(span.start, span.end) < 0 ? limit : 0
    const cursors = state.map((layer) =>
      layer instanceof Memtable ? layer.cursor(span, reverse) : new RunCursor(owner.tables, layer, span),
    )
    this.cursor = new VisibleCursor(new MergeCursor(cursors, reverse), { sequence, reverse })
    this.tombstones = state.flatMap((layer) => (layer instanceof Memtable ? [layer.tombstones] : []))
    this.unread = state
      .flatMap((layer) => (layer instanceof Memtable ? [] : layer))
      .filter((table) => table.rangeTombstoneCount > 0 && overlaps(table, span))
  }

  next(): boolean {
    this.owner.assertOpen()
    for (;;) {
      const found = this.step()
      if (typeof found === 'boolean') return found
      found.load()
    }
  }

  async nextAsync(): Promise<boolean> {
    this.owner.assertOpen()
    for (;;) {
      const found = this.step()
      if (typeof found === 'boolean') return found
      await found.loadAsync()
      this.owner.assertOpen()
    }
  }

  key(): Uint8Array {
    return userKey((this.cursor.chain[0] as Entry).key)
  }

  value(): Uint8Array {
    return this.shown as Uint8Array
  }

  async valueAsync(): Promise<Uint8Array> {
    return this.value()
  }

  private step(): boolean | Need {
    const missing = this.nextTombstones()
    if (missing !== undefined) return missing
    while (this.remaining > 0) {
      const found = this.cursor.step()
      if (typeof found === 'object') return found
      if (!found) break
      this.shown = this.valueOf(this.cursor.chain)
      if (this.shown === undefined) continue
      this.remaining--
      return true
    }
    this.remaining = 0
    return false
  }

  /** @returns What must be loaded before all range tombstones are known. */
  private nextTombstones(): Need | undefined {
    const table = this.unread.at(-1)
    if (table === undefined) return undefined
    return this.owner.tables.needMeta(table, ({ tombstones }) => {
      this.tombstones.push(tombstones)
      this.unread.pop()
    })
  }

  /** What the versions of a key come to, less those that a range tombstone hides; undefined if there is no value. */
  private valueOf(chain: readonly Entry[]): Uint8Array | undefined {
    const oldest = chain.at(-1) as Entry
    const hidden = this.hiddenBelow(oldest)
    const isWhole = hidden <= oldest.sequence
    const isBased = isWhole && !isOperand(oldest.kind)
    const base = isBased && oldest.kind === EntryKind.put ? oldest.value : undefined
    if (isBased && chain.length === 1) return base
    const operands = chain.filter(({ kind, sequence }) => isOperand(kind) && sequence >= hidden)
    return operands.length === 0 ? base : applied(base, operands)
  }

  /** The newest range tombstone over the key of `oldest`, if it is newer than that version; else 0. */
  private hiddenBelow({ key, sequence }: Entry): number {
    let hidden = 0
    for (const each of this.tombstones) hidden = Math.max(hidden, each.covering(key, this.sequence))
    return hidden <= sequence || lacks(this.owner.mutant, 'range tombstones hide') ? 0 : hidden
  }
}
