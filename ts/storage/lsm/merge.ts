// Many sorted sources as one. `MergeCursor` gives every version; `VisibleCursor` gives of each key those that make up what is
// seen at some sequence.
import { compareBytes } from '../compare.ts'
import { compareEntries, type Entry, type Need, type VersionCursor } from './entry.ts'
import { LoserTree } from './loser-tree.ts'
import { isOperand } from './operand.ts'

/** All versions of all sources, in order or in the reverse of it. No two sources hold the same version. */
export class MergeCursor implements VersionCursor {
  private readonly sources: readonly VersionCursor[]
  private readonly hasEnded: boolean[]
  private readonly tree: LoserTree
  /** Sources that have not made their first step, from the end. */
  private unopened: number
  private isWinnerUsed = false

  constructor(sources: readonly VersionCursor[], reverse: boolean) {
    this.sources = sources
    this.hasEnded = sources.map(() => false)
    this.unopened = sources.length
    const direction = reverse ? -1 : 1
    this.tree = new LoserTree(sources.length, (a, b) => {
      if (this.hasEnded[a] || this.hasEnded[b]) return this.hasEnded[b] === true && this.hasEnded[a] !== true
      return compareEntries(this.entryOf(a), this.entryOf(b)) * direction < 0
    })
  }

  get entry(): Entry {
    return this.entryOf(this.tree.winner)
  }

  step(): boolean | Need {
    while (this.unopened > 0) {
      const missing = this.advance(this.unopened - 1)
      if (missing !== undefined) return missing
      this.unopened--
      if (this.unopened === 0) this.tree.rebuild()
    }
    if (this.isWinnerUsed) {
      const missing = this.advance(this.tree.winner)
      if (missing !== undefined) return missing
      this.tree.replay()
    }
    this.isWinnerUsed = this.sources.length > 0 && this.hasEnded[this.tree.winner] !== true
    return this.isWinnerUsed
  }

  private entryOf(source: number): Entry {
    return (this.sources[source] as VersionCursor).entry
  }

  /** Moves one source on. @returns What it needs before it can be. */
  private advance(source: number): Need | undefined {
    const found = (this.sources[source] as VersionCursor).step()
    if (typeof found === 'object') return found
    if (!found) this.hasEnded[source] = true
    return undefined
  }
}

/**
 * Of each key the versions that are not newer than `sequence`, the newest first, down to the first one that is a value or a
 * deletion: nothing below it counts.
 */
export class VisibleCursor {
  private readonly versions: VersionCursor
  private readonly sequence: number
  private readonly reverse: boolean
  private current: Entry[] = []
  /** What was found of the key that comes next; in reverse, the oldest first. */
  private next: Entry[] = []
  /** The cursor stands on a version that was not looked at yet. */
  private isAhead = false
  private hasEnded = false

  constructor(versions: VersionCursor, { sequence, reverse }: { sequence: number; reverse: boolean }) {
    this.versions = versions
    this.sequence = sequence
    this.reverse = reverse
  }

  /** What belongs to the key that it stands on; at least one. */
  get chain(): readonly Entry[] {
    return this.current
  }

  step(): boolean | Need {
    for (;;) {
      if (!this.isAhead && !this.hasEnded) {
        const found = this.versions.step()
        if (typeof found === 'object') return found
        if (found) this.isAhead = true
        else this.hasEnded = true
      }
      const entry = this.isAhead ? this.versions.entry : undefined
      const [first] = this.next
      if (first !== undefined && (entry === undefined || compareBytes(first.key, entry.key) !== 0))
        return this.finish(this.reverse ? this.next.reverse() : this.next)
      if (entry === undefined) return false
      this.isAhead = false
      if (entry.sequence > this.sequence) continue
      if (this.reverse) this.addBefore(entry)
      else if (this.addBehind(entry)) return this.finish(this.next)
    }
  }

  /** Backwards the oldest version of a key comes first: a value or a deletion ends what came before it. */
  private addBefore(entry: Entry): void {
    if (isOperand(entry.kind)) this.next.push(entry)
    else this.next = [entry]
  }

  /** @returns True if that is all of its key. */
  private addBehind(entry: Entry): boolean {
    const last = this.current[0]
    if (last !== undefined && compareBytes(last.key, entry.key) === 0) return false // older than what decided
    this.next.push(entry)
    return !isOperand(entry.kind)
  }

  private finish(chain: Entry[]): true {
    this.current = chain
    this.next = []
    return true
  }
}
