// Many sorted sources as one. `MergeCursor` gives every version; `VisibleCursor` gives of each key the one that is seen at
// some sequence.
import { compareBytes } from '../compare.ts'
import { compareEntries, type Entry, type Need, type VersionCursor } from './entry.ts'
import { LoserTree } from './loser-tree.ts'

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

/** Of each key the newest version that is not newer than `sequence`, deletions included. */
export class VisibleCursor implements VersionCursor {
  private readonly versions: VersionCursor
  private readonly sequence: number
  private readonly reverse: boolean
  private current: Entry | undefined
  /** In reverse: a version of the next key was seen already; and the best one of it so far. */
  private isAhead = false
  private candidate: Entry | undefined
  private hasEnded = false

  constructor(versions: VersionCursor, { sequence, reverse }: { sequence: number; reverse: boolean }) {
    this.versions = versions
    this.sequence = sequence
    this.reverse = reverse
  }

  get entry(): Entry {
    return this.current as Entry
  }

  step(): boolean | Need {
    return this.reverse ? this.stepBack() : this.stepForward()
  }

  private stepForward(): boolean | Need {
    for (;;) {
      const found = this.versions.step()
      if (found !== true) return found
      const { entry } = this.versions
      if (entry.sequence > this.sequence) continue
      if (this.current !== undefined && compareBytes(this.current.key, entry.key) === 0) continue
      this.current = entry
      return true
    }
  }

  /** Backwards the oldest version of a key comes first: the last one that may be seen is the one. */
  private stepBack(): boolean | Need {
    for (;;) {
      if (!this.isAhead && !this.hasEnded) {
        const found = this.versions.step()
        if (typeof found === 'object') return found
        if (found) this.isAhead = true
        else this.hasEnded = true
      }
      const { candidate } = this
      const next = this.isAhead ? this.versions.entry : undefined
      if (candidate !== undefined && (next === undefined || compareBytes(candidate.key, next.key) !== 0)) {
        this.candidate = undefined
        this.current = candidate
        return true
      }
      if (next === undefined) return false
      if (next.sequence <= this.sequence) this.candidate = next
      this.isAhead = false
    }
  }
}
