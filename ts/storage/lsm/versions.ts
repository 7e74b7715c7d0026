// The version in force, and those that readers still hold. A table's file is removed once no version of either names it.
import { joinPath } from '../../io/disk.ts'
import { lacks } from '../mutant.ts'
import { discard, type Workshop } from './build-tables.ts'
import { type TableInfo, tableName } from './table-format.ts'
import type { Tables } from './tables.ts'
import type { Version } from './version.ts'

export class Versions {
  current: Version
  private readonly workshop: Pick<Workshop, 'disk' | 'path' | 'mutant'>
  private readonly tables: Tables
  /** How many hold each version; the one in force is held too. */
  private readonly holders = new Map<Version, number>()
  private isOpen = true

  constructor(first: Version, workshop: Pick<Workshop, 'disk' | 'path' | 'mutant'>, tables: Tables) {
    this.current = first
    this.workshop = workshop
    this.tables = tables
    this.holders.set(first, 1)
  }

  /** How many readers hold a version. */
  get readerCount(): number {
    let count = -1
    for (const holders of this.holders.values()) count += holders
    return count
  }

  /** Keeps the files of the version in force until the answer is called. */
  hold(): () => void {
    const { current } = this
    this.holders.set(current, (this.holders.get(current) as number) + 1)
    let isHeld = true
    return () => {
      if (isHeld) this.letGo(current)
      isHeld = false
    }
  }

  /** Puts a version in force; a durable manifest says so already. */
  install(next: Version): void {
    const { current } = this
    this.current = next
    this.holders.set(next, 1)
    if (lacks(this.workshop.mutant, 'readers keep tables')) this.remove(current.files, [next])
    this.letGo(current)
  }

  /** From now on no file is removed: the store may be another handle's. */
  close(): void {
    this.isOpen = false
  }

  private letGo(version: Version): void {
    const holders = (this.holders.get(version) as number) - 1
    this.holders.set(version, holders)
    if (holders > 0) return
    this.holders.delete(version)
    this.remove(version.files, [...this.holders.keys()])
  }

  /** Removes the files of `tables` that none of `kept` names. If that fails, the next opening does it. */
  private remove(tables: readonly TableInfo[], kept: readonly Version[]): void {
    if (!this.isOpen) return
    const needed = new Set(kept.flatMap((version) => version.files.map(({ number }) => number)))
    for (const table of tables) {
      if (needed.has(table.number)) continue
      this.tables.forget(table)
      discard(this.workshop.disk, joinPath(this.workshop.path, tableName(table.number)))
    }
  }
}
